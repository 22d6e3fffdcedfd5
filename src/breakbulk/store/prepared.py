"""Prepared packages: what a store asks of whoever has them, and what it gives to whoever wants to keep them.

A prepared package is the tree of a package, bytecode included, as one object. A store that is offered one makes the
tree from it instead of from the package's archive: nothing is compiled, and no index is asked. The offer vouches for
the tree, to the environment it is made to and to no other (`choosing`); an object that does not become exactly that
tree is refused, and the archive is used.

    tree in a store ─► preparing ─► object (prepared_format) ─► prepared_unpacking ─► the same tree in another store

The counterpart of `PreparedSource` is a hub, of which a store knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from breakbulk.ecosystems.interface import Location
from breakbulk.lock.model import Package

__all__ = ["NO_SOURCE", "Offer", "Place", "Prepared", "PreparedSource", "Streamed"]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """An object that holds a tree.

    Attributes:
        sha256: Of the object, 64 lowercase hexadecimal digits.
        size: Of the object, in bytes.
        tree: Digest of the tree that it becomes (`records.tree_digest`).
        unpacked_size: Sum of the sizes of the tree's files, in bytes.

    """

    sha256: str
    size: int
    tree: str
    unpacked_size: int


class Offer(Prepared, frozen=True, kw_only=True):
    """A prepared package that can be had; `origin` names object and environment in what the user is told."""

    origin: str


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """A place that gives bytes without an address of its own.

    Attributes:
        name: In errors; no credentials.
        open: Yields the bytes from an offset on. May be called from several threads, and again after an error: a
            `BreakbulkError`, which counts as gone for a while if it is `retryable`.

    """

    name: str
    open: Callable[[int], Iterator[bytes]]


Place = Location | Streamed
"""Where the bytes of an archive or an object may be had."""


class PreparedSource(Protocol):
    """Offers prepared packages, and archives by their digest. Asked from several threads.

    What it raises (any `BreakbulkError`) is told to the user as a note, and the archives are used.
    """

    def offer(self, package: Package) -> Offer | None:
        """Return the prepared package of `package`, None when there is none. Quick: no request for each."""

    def places(self, offer: Offer) -> Iterable[Place]:
        """Yield the places of an offer's object, best first; a file that is here as `Location(path=...)`."""

    def archives(self, package: Package) -> Iterable[Place]:
        """Yield the places of a package's archive that are asked before those its ecosystem knows."""


class _NoSource:
    def offer(self, package: Package) -> Offer | None:  # noqa: ARG002 - the protocol's
        return None

    def places(self, offer: Offer) -> Iterable[Place]:  # noqa: ARG002
        return ()

    def archives(self, package: Package) -> Iterable[Place]:  # noqa: ARG002
        return ()


NO_SOURCE: PreparedSource = _NoSource()
"""Offers nothing: every package comes from its archive."""
