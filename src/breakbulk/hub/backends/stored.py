"""Objects in whatever obstore reaches: memory now, buckets through `buckets`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError

from breakbulk.hub.backends import faults
from breakbulk.hub.backends.keys import check_key, check_prefix, is_key
from breakbulk.hub.objects import Stat

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["StoredObjects", "memory_objects"]

_CHUNK_BYTES = 1 << 20


class StoredObjects:
    """The objects below one prefix of a store."""

    def __init__(self, store: ObjectStore, url: str) -> None:
        self._store = store
        self._url = url

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self._url

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        """Return the bytes of an object."""
        try:
            found = obstore.get(self._store, check_key(key))
        except FileNotFoundError as error:
            raise faults.missing(self._where(key)) from error
        if found.meta["size"] > limit_bytes:
            raise faults.too_large(self._where(key), found.meta["size"], limit_bytes)
        return bytes(found.bytes())

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from offset `start`."""
        stat = self.stat(key)
        if stat is None:
            raise faults.missing(self._where(key))
        if start < stat.size:
            found = obstore.get(self._store, key, options={"range": {"offset": start}})
            yield from map(bytes, found.stream(_CHUNK_BYTES))

    def local(self, key: str) -> Path | None:  # noqa: ARG002 - the protocol's
        """Return None: no object is a file here."""
        return None

    def create(self, key: str, data: bytes | Path) -> bool:
        """Write a new object."""
        try:
            obstore.put(self._store, check_key(key), data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def replace(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""
        obstore.put(self._store, check_key(key), data)

    def stat(self, key: str) -> Stat | None:
        """Return what is known of an object, None when it is not there."""
        try:
            found = obstore.head(self._store, check_key(key))
        except FileNotFoundError:
            return None
        return Stat(key=key, size=found["size"], modified=found["last_modified"])

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield the objects whose keys begin with `prefix`."""
        for batch in obstore.list(self._store, check_prefix(prefix) or None):
            for found in batch:
                if is_key(found["path"]):
                    yield Stat(key=found["path"], size=found["size"], modified=found["last_modified"])

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        for key in keys:
            try:
                obstore.delete(self._store, check_key(key))
            except FileNotFoundError:
                continue

    def settle(self) -> None:
        """Do nothing: what such a place has answered for is there."""

    def close(self) -> None:
        """Do nothing: connections close with the last reference."""

    def _where(self, key: str) -> str:
        return f"{self._url}/{key}"


_memories: dict[str, ObjectStore] = {}
_opening = threading.Lock()


def memory_objects(name: str) -> StoredObjects:
    """Return the objects of that name in the memory of this process: the same ones each time."""
    from obstore.store import MemoryStore

    with _opening:
        store = _memories.setdefault(name, MemoryStore())
    return StoredObjects(store, f"memory://{name}")
