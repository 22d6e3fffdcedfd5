"""What the user writes: schema, reading with faults located, composition, edits that keep comments."""
