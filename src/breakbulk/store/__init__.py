"""The node-local, content-addressed directory of unpacked packages, and the overlay made of it."""
