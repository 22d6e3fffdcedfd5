"""Make the object of a prepared package from a tree in the store and its record."""

from __future__ import annotations

from pathlib import Path

from breakbulk.lock.model import Package
from breakbulk.store.layout import Layout
from breakbulk.store.prepared import Prepared

__all__ = ["prepare"]


def prepare(layout: Layout, package: Package, into: Path) -> Prepared:
    """Write the object that holds the tree of `package`, which is present, to the file `into`.

    Equal trees give equal bytes, whoever prepares them and wherever.

    Raises:
        IntegrityError: `tree-damaged`, a file is not what the record says.
        StoreError: `record-damaged`.
        OSError: `into` cannot be written; what is there of it is of no use.

    """
    raise NotImplementedError
