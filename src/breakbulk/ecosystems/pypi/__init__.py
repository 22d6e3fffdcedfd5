"""Wheels: resolved by uv, located on the user's own indexes, unpacked here.

`ecosystem` is what the rest of Breakbulk sees. Resolving: `requirements` → `resolution` (which asks `uv`) → `pylock` →
`facts` (what each wheel says of itself, read without downloading it) → `graph`. Fetching: `locating`. Unpacking:
`wheels`. At lock time `listing` says which paths a wheel will own; `projects` makes wheels from own source.
"""

from breakbulk.ecosystems.pypi.ecosystem import Pypi

__all__ = ["Pypi"]
