"""Where environments are published: a layout of objects, not a server.

    names ─► layout (keys) ─► objects (backends) ─► hub (changes, generations) ─► push │ pull │ mirror │ collect
                                                          ▲ records, signatures

Everything but the index is immutable: objects are named by the SHA-256 of their bytes, changes by their number. What
happens to an environment happens with one conditional create: the next change.
"""
