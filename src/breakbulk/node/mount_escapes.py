r"""Backslashes in `/proc/self/mountinfo` (`mount_table`): hardly any line has one, and `re` takes long to import.

A blank is `\040`, and so on; in a list of lower layers, overlay has put a backslash before each colon first. Pure.
"""

from __future__ import annotations

import re

__all__ = ["listed", "plain"]

_OCTAL = re.compile(rb"\\([0-7]{3})")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_IN_LIST = re.compile(rb"(?:\\134(?:\\[0-7]{3}|.)|[^:])+", re.DOTALL)  # \134 is a backslash


def plain(escaped: bytes) -> bytes:
    """Return what stands for `escaped`."""
    return _OCTAL.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), escaped)


def listed(value: bytes) -> list[bytes]:
    """Return the paths of a list with colons between them."""
    return [_ESCAPED.sub(rb"\1", plain(each)) for each in _IN_LIST.findall(value)]
