"""What the node agent does to the store, in processes of its own that can be ended: realise, collect, write plans."""
