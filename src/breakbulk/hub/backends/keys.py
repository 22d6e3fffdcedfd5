"""Which keys a place keeps: those that mean the same in a file system, in a bucket and in an address. Pure.

A key comes from names that others chose, so it is checked wherever it enters a backend: nothing in it leads out of the
hub, needs escaping, or differs only by how it is written.
"""

from __future__ import annotations

import re

from breakbulk.errors import HubError

__all__ = ["check_key", "check_prefix", "is_key", "is_segment"]

_SEGMENT = re.compile(r"(?!\.)[A-Za-z0-9+.~_@:=,-]{1,255}", re.ASCII)
_LENGTH_MAX = 900  # S3 allows 1,024 bytes, of which the hub's own prefix takes some


def is_segment(text: str) -> bool:
    """Say whether `text` can stand between two slashes of a key."""
    return _SEGMENT.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Say whether `text` is a key."""
    return len(text) <= _LENGTH_MAX and all(map(is_segment, text.split("/")))


def check_key(key: str) -> str:
    """Return `key`; raise `HubError` `hub-key-invalid`."""
    if not is_key(key):
        raise HubError(
            "this cannot be the key of an object",
            identifier="hub-key-invalid",
            where=repr(key[:200]),
            why="keys are letters, digits and `+.~_@:=,-` between slashes, and no part begins with a dot",
            hint="see which name it was made from: that of an environment, a package or a file",
        )
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix`, which is empty or ends with a slash; raise `HubError` `hub-key-invalid`."""
    if prefix:
        check_key(prefix.removesuffix("/") if prefix.endswith("/") else f"{prefix}//")
    return prefix
