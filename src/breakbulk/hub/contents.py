"""Whether what a change names is on the hub: every object with its size, or with its bytes, each looked at once.

Counterpart: `verifying`, which asks for one environment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.records import Blob, Change

__all__ = ["Contents"]

_READERS = 16
_ABSENT = "is not on the hub"


class Contents:
    """The objects of one hub; `deep` has all their bytes read.

    Attributes:
        bytes_read: Of them.

    """

    def __init__(self, hub: Hub, *, deep: bool) -> None:
        self._hub = hub
        self._deep = deep
        self._found: dict[Blob, str | None] = {}
        self._locks: dict[tuple[str, str], str | None] = {}
        self.bytes_read = 0

    @property
    def count(self) -> int:
        """How many were looked at."""
        return len(self._found)

    @property
    def damaged(self) -> tuple[Blob, ...]:
        """Those that are there and are not what their names say."""
        return tuple(blob for blob, fault in self._found.items() if fault not in {None, _ABSENT})

    def faults(self, change: Change, *, elsewhere: bool = False) -> Iterator[str]:
        """Yield what is wrong with what a change names; where its packages are `elsewhere`, they need not be here.

        Raises `NetworkError`, `HubError` as the backend.
        """
        wrong = list(self.of(_named(change)))
        yield from wrong
        if self._found.get(change.lock) is None and (fault := self._lock(change)):
            yield fault
        for system, blob in change.prepared.items():
            if self._found.get(blob) is None:
                yield from self._prepared(change, system, elsewhere=elsewhere)

    def _prepared(self, change: Change, system: str, *, elsewhere: bool) -> Iterator[str]:
        try:
            packages = self._hub.prepared(change, system).packages
        except NetworkError:
            raise
        except BreakbulkError as error:
            yield f"the prepared packages for {system}: {error.message}"
            return
        named = ((f"the prepared package {name} for {system}", package.blob) for name, package in packages.items())
        yield from self.of(named, absent_too=not elsewhere)

    def _lock(self, change: Change) -> str | None:
        """Say why the lock is not that of the environment's digest."""
        key = (change.lock.sha256, change.digest)
        if key not in self._locks:
            try:
                self._hub.lock(change)
                self._locks[key] = None
            except NetworkError:
                raise
            except BreakbulkError as error:
                self._locks[key] = f"the lock: {error.message}; {error.why}"
        return self._locks[key]

    def of(self, named: Iterable[tuple[str, Blob]], *, absent_too: bool = True) -> Iterator[str]:
        """Yield what is wrong with objects, each with what it is; that they are not there only where that is wrong."""
        blobs = {blob: what for what, blob in named}
        new = [blob for blob in blobs if blob not in self._found]
        with ThreadPoolExecutor(_READERS) as readers:
            self._found.update(zip(new, readers.map(self._fault, new), strict=True))
        for blob, what in blobs.items():
            if (fault := self._found[blob]) and (absent_too or fault != _ABSENT):
                yield f"{what}: the object {blob.sha256} {fault}"

    def _fault(self, blob: Blob) -> str | None:
        key = object_key(blob.sha256)
        stat = self._hub.objects.stat(key)
        if stat is None:
            return _ABSENT
        if stat.size != blob.size:
            return f"has {stat.size} bytes, not {blob.size}"
        return self._altered(key, blob) if self._deep else None

    def _altered(self, key: str, blob: Blob) -> str | None:
        digest, size = hashlib.sha256(), 0
        for piece in self._hub.objects.stream(key):
            digest.update(piece)
            size += len(piece)
        self.bytes_read += size
        return None if digest.hexdigest() == blob.sha256 else f"has the SHA-256 {digest.hexdigest()}"


def _named(change: Change) -> Iterator[tuple[str, Blob]]:
    yield "the lock", change.lock
    if change.manifest is not None:
        yield "the manifest", change.manifest
    yield from ((f"the prepared packages for {system}", blob) for system, blob in change.prepared.items())
    yield from ((f"the archive {blob.sha256[:16]}", blob) for blob in change.archives)
