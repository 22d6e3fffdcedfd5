"""Half-made trees: a directory for each, the commit of a group of them, and the removal of what the dead have left.

    staging/<name>.<token>/tree      the tree, renamed to packages/<name> by the commit
    staging/<name>.<token>/record    its record, renamed to records/<name> just before

A group is committed after one syncfs(2): its content is on the disk before any of its trees has its name.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.store import linux
from breakbulk.store.layout import KEY_DIGITS
from breakbulk.store.milestones import passed
from breakbulk.store.removal import remove_tree

if TYPE_CHECKING:
    from breakbulk.store.claims import Claims
    from breakbulk.store.layout import Layout

__all__ = ["Stage", "sweep", "sync"]

_numbers = itertools.count()


class Stage:
    """The directory of one tree in the making; its claim is ours."""

    def __init__(self, layout: Layout, name: str) -> None:
        self.name = name
        self.directory = layout.staging / f"{name}.{os.getpid()}-{next(_numbers)}"
        self.tree = self.directory / "tree"
        self.record = self.directory / "record"

    def make(self) -> None:
        """Make the directory with an empty tree, mode 755 whatever the umask says."""
        self.directory.mkdir(mode=0o700)
        self.tree.mkdir()
        self.tree.chmod(0o755)

    def commit(self, layout: Layout) -> None:
        """Give the finished tree its name, after `sync`; one that is there already stays, and ours is removed."""
        if not (layout.packages / self.name).exists():
            self.record.rename(layout.records / self.name)
            passed("record-named")
            self.tree.rename(layout.packages / self.name)
            passed("tree-named")
        self.discard()

    def discard(self) -> None:
        """Remove everything."""
        remove_tree(self.directory)


def sync(layout: Layout) -> None:
    """Have the disk hold everything that has been written to the store."""
    descriptor = os.open(layout.staging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        linux.syncfs(descriptor)
    finally:
        os.close(descriptor)
    passed("group-synced")


def sweep(layout: Layout, claims: Claims) -> None:
    """Remove half-made trees whose makers are dead: nobody holds their claim, or we do and have not begun."""
    for directory in layout.staging.iterdir():
        key = directory.name[:KEY_DIGITS]
        ours = claims.holds(key)
        if ours or claims.attempt(key):
            remove_tree(Path(directory))
            if not ours:
                claims.release(key)
