"""Which trees are mounted by whoever runs: read from the mount tables of all processes that we may see.

Since Linux 6.8 an overlay tells each of its layers by the name that it was mounted with (`rootfs`): the beginning of
the tree's own name, or a path. Before, these names are numbers, so that nobody can tell what it uses:
`Mounted.unknown`, and nothing may be removed. Processes of other users, seen by root only, count; those of another
process namespace that we are not in are not seen.
"""

from __future__ import annotations

import os
import re

import msgspec

from breakbulk.store.bundle import contents
from breakbulk.store.layout import Layout
from breakbulk.store.rootfs import ALIAS, ALIAS_DIGITS

__all__ = ["Mounted", "mounted", "with_trees"]

_TREE = re.compile(rb"/(?:packages|bundles)/([A-Za-z0-9+.~_@-]+)")
_BEGINNING = re.compile(rb"lowerdir\+?=%b([0-9a-f]{%d})" % (ALIAS.encode(), ALIAS_DIGITS))
_UNKNOWN = re.compile(rb"lowerdir\+?=(?:[0-9]+[:, ]|/proc/self/fd/)")


class Mounted(msgspec.Struct, frozen=True, kw_only=True):
    """Trees, that is directories of packages and bundles, of whatever store.

    Attributes:
        names: Of trees.
        beginnings: Of the names of others, `ALIAS_DIGITS` each.
        unknown: Whether some mount does not tell its own.

    """

    names: frozenset[str]
    beginnings: frozenset[str] = frozenset()
    unknown: bool

    def has(self, name: str) -> bool:
        """Say whether the tree of this name is mounted, or may be."""
        return name in self.names or name[:ALIAS_DIGITS] in self.beginnings


def with_trees(seen: Mounted, layout: Layout) -> Mounted:
    """Return what is mounted in a store, and in its bundles."""
    inside = [names for path, names in contents(layout) if seen.has(path.name)]
    return msgspec.structs.replace(seen, names=seen.names.union(*inside))


def mounted(proc: str = "/proc") -> Mounted:
    """Return what is mounted now."""
    names: set[bytes] = set()
    beginnings: set[bytes] = set()
    unknown = False
    seen: set[bytes] = set()
    for process in os.listdir(proc):
        table = _table(f"{proc}/{process}/mountinfo") if process.isdigit() else b""
        if table and table not in seen:
            seen.add(table)
            names.update(_TREE.findall(table))
            beginnings.update(_BEGINNING.findall(table))
            unknown = unknown or _UNKNOWN.search(table) is not None
    return Mounted(
        names=frozenset(name.decode() for name in names),
        beginnings=frozenset(beginning.decode() for beginning in beginnings),
        unknown=unknown,
    )


def _table(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as many as there are processes
            return file.read()
    except OSError:  # it has ended, or is not ours to see
        return b""
