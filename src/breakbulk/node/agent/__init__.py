"""The node agent: what runs on every node, sees which pods come, and has their environments realised in time."""
