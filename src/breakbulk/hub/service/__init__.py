"""The hub over HTTP: the objects of any backend, with authentication, search and pages, and nothing else.

    tokens, registry ─► callers ─┐
                                 ├─► policy ─► objects_api ─► `Objects`
    keys, admission ─────────────┘                 │ changes
                                 catalogue ◄───────┘ ─► catalogue_api, events, pages

The service is no authority over what an environment is: changes are the same signed, chained objects as in a
directory, and every machine verifies them itself. It adds who may read and write what, and refuses what cannot be
right. What it keeps of its own (tokens, audit, a catalogue that can be made again) is in its state directory.
Counterpart: `hub.backends.service`, the client.
"""
