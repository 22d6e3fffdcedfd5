"""The lock: model, files, digest, differences between two."""
