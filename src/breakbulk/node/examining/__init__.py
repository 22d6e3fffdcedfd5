"""Look at a node and say what is wrong with it, each with its remedy."""
