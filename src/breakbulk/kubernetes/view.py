"""What is known of a set of objects, and how it changes: the pure half of `reflector`.

Guarantees, whatever a server says twice, late, or not at all between two lists: each object (by uid: a pod that was
deleted and made again under its name is another one) is added once, changes only when what is kept of it changes, and
is deleted once. A list tells of a deletion by leaving an object out, and this is where that becomes a deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, NamedTuple, TypeVar

__all__ = ["Change", "Listing", "View", "What"]

T = TypeVar("T")
What = Literal["added", "changed", "deleted", "synced"]
Project = Callable[[dict[str, Any]], T]


class Change(NamedTuple, Generic[T]):
    """What happened to an object.

    Attributes:
        what: `synced` comes once after each list: everything that is there has been told, nothing else is there.
        object: What is kept of it: now, or of a deleted one at last. None for `synced`.

    """

    what: What
    object: T | None


class View(Generic[T]):
    """Objects as a server has told of them, each as `project` keeps it."""

    def __init__(self, project: Project[T]) -> None:
        self._project = project
        self._held: dict[str, T] = {}
        self._version = ""

    @property
    def held(self) -> Mapping[str, T]:
        """What is kept of each object, by uid."""
        return self._held

    @property
    def version(self) -> str:
        """The resource version up to which everything is known, empty before the first list."""
        return self._version

    def listing(self) -> Listing[T]:
        """Begin a list, which may come in pages; nothing changes before it is taken by `replace`."""
        return Listing(self._project)

    def replace(self, listing: Listing[T], version: str) -> Iterator[Change[T]]:
        """Take a whole list of `version` for the truth; deletions come first, as names may have been given anew."""
        before, self._held = self._held, listing.found
        self._version = version
        for uid, held in before.items():
            if uid not in listing.found:
                yield Change("deleted", held)
        for uid, held in listing.found.items():
            if uid not in before:
                yield Change("added", held)
            elif before[uid] != held:
                yield Change("changed", held)
        yield Change("synced", None)

    def event(self, kind: str, found: dict[str, Any]) -> Change[T] | None:
        """Take an event of a watch (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`); None when it says nothing new."""
        metadata = found["metadata"]
        version = metadata["resourceVersion"]
        if not _is_later(version, self._version):
            return None
        self._version = version
        if kind == "BOOKMARK":
            return None
        uid = metadata["uid"]
        if kind == "DELETED":
            if uid not in self._held:
                return None
            del self._held[uid]
            return Change("deleted", self._project(found))
        before = self._held.get(uid)
        held = self._held[uid] = self._project(found)
        if before is None:
            return Change("added", held)
        return Change("changed", held) if before != held else None


class Listing(Generic[T]):
    """A list on its way: each page is reduced to what is kept before the next one is asked for."""

    def __init__(self, project: Project[T]) -> None:
        self._project = project
        self.found: dict[str, T] = {}

    def add(self, objects: Iterable[dict[str, Any]]) -> None:
        """Take one page."""
        for each in objects:
            self.found[each["metadata"]["uid"]] = self._project(each)


def _is_later(version: str, known: str) -> bool:
    """Say whether a version is after what is known: decimal numbers that only grow (KEP-5504); others are believed."""
    if not (version.isdecimal() and known.isdecimal()):
        return version != known
    return int(version) > int(known)
