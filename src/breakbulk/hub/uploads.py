"""Bring objects to a hub: only those it lacks, in parallel, largest first, and count what was really sent.

An object is sent whole or not at all, so whoever is killed leaves what the next push finds there and does not send
again. What is on the hub is told by key and size, of documents by their content too: they are small, and nothing runs
without them. An object that is not what its name promises is replaced. Counterpart: `push`, which knows what is needed.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.hub.layout import object_key
from breakbulk.hub.objects import Objects, Stat
from breakbulk.hub.records import Blob
from breakbulk.reporting import SILENT, Reporter
from breakbulk.store.milestones import passed

__all__ = ["Item", "Metered", "missing", "upload"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An object that a push refers to.

    Attributes:
        blob: Its name.
        what: In words.
        content: Gives its bytes when they have to be sent.
        compared: Whether it is read where it is there already.

    """

    blob: Blob
    what: str
    content: Callable[[], bytes | Path]
    compared: bool = False


class Metered:
    """A place that keeps objects, and the count of the bytes and objects that were sent to it through this value."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self.bytes = 0
        self.count = 0

    @property
    def url(self) -> str:
        """The address of the place."""
        return self._objects.url

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        """Return the bytes of an object."""
        return self._objects.get(key, limit_bytes=limit_bytes)

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object."""
        return self._objects.stream(key, start)

    def local(self, key: str) -> Path | None:
        """Return the file of this machine that is the object."""
        return self._objects.local(key)

    def create(self, key: str, data: bytes | Path) -> bool:
        """Write a new object, and count it when there was none."""
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        created = self._objects.create(key, data)
        if created:
            self._sent(size)
        return created

    def replace(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there, and count it."""
        self._objects.replace(key, data)
        self._sent(len(data))

    def stat(self, key: str) -> Stat | None:
        """Return what is known of an object."""
        return self._objects.stat(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield the objects whose keys begin with `prefix`."""
        return self._objects.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        self._objects.delete(keys)

    def settle(self) -> None:
        """Return when everything outlives a crash of the place."""
        self._objects.settle()

    def close(self) -> None:
        """Close connections."""
        self._objects.close()

    def _sent(self, size: int) -> None:
        with self._lock:
            self.bytes += size
            self.count += 1


def missing(objects: Objects, items: Iterable[Item], *, threads: int) -> list[Item]:
    """Return those of `items` that the place does not have, or has in another form, which is removed."""

    def lacks(item: Item) -> bool:
        key = object_key(item.blob.sha256)
        stat = objects.stat(key)
        if stat is None or _is_whole(objects, item, stat):
            return stat is None
        objects.delete([key])
        return True

    every = list({item.blob.sha256: item for item in items}.values())
    return [item for item, absent in zip(every, side_by_side(lacks, every, threads=threads), strict=True) if absent]


def _is_whole(objects: Objects, item: Item, stat: Stat) -> bool:
    if stat.size != item.blob.size or not item.compared:
        return stat.size == item.blob.size
    return hashlib.sha256(objects.get(stat.key, limit_bytes=stat.size)).hexdigest() == item.blob.sha256


def upload(objects: Objects, items: Iterable[Item], *, threads: int, reporter: Reporter = SILENT) -> None:
    """Send objects; those that have come there meanwhile are left as they are."""
    largest_first = sorted(items, key=lambda item: -item.blob.size)
    if not largest_first:
        return
    task = reporter.begin("sending", total=sum(item.blob.size for item in largest_first), unit="bytes")

    def send(item: Item) -> None:
        objects.create(object_key(item.blob.sha256), item.content())
        passed("object-sent")
        task.advance(item.blob.size)

    try:
        side_by_side(send, largest_first, threads=threads)
    finally:
        task.finish()
