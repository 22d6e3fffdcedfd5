"""Objects in whatever obstore reaches: buckets of S3, Google Cloud Storage and Azure, and memory.

Guarantees, beyond those of `Objects`:

- **The first of two writers wins**, told by the place (`If-None-Match: *` and its like). A place of unknown make is
  asked once per process whether it keeps this; one that silently overwrites is refused before anything is written.
- **A lost answer is no lost race.** When a create seemed to fail and is found done, its bytes tell whose it was.
- **Resumed.** A broken download goes on from where it ended, if the object is still the same; a failed part of a large
  upload is sent again by itself. All of it is bounded by `Persistence`.

Requests: get, replace and stat one; list one per 1,000 objects; delete one per 1,000 where the place can; stream one,
two from the middle; create one for up to 256 KiB, else one more to look first, and above 8 MiB one per part and two
more. Such a large object is written without the condition, whole or not at all all the same: it is named by its
digest, so writers of one key write the same bytes. The parts of a writer that is killed stay in the bucket, unseen,
until its life-cycle rule for incomplete uploads removes them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import MemoryStore

from breakbulk.errors import BreakbulkError, HubError, NotFoundError
from breakbulk.hub.backends import faults
from breakbulk.hub.backends.answers import PlaceError, read_answer
from breakbulk.hub.backends.keys import check_key, check_prefix, is_key
from breakbulk.hub.backends.persisting import Persistence, Tries
from breakbulk.hub.objects import Stat

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ObjectStore

__all__ = ["EXCLUSIVE", "StoredObjects", "Stores", "memory_objects"]

EXCLUSIVE = "exclusive"
"""Key of the object with which a place is asked whether the first of two writers wins."""

_SMALL_BYTES = 256 << 10
_PART_BYTES = 8 << 20
_PARTS_MAX = 9_000  # S3 takes 10,000
_PARTS_AT_ONCE = 4
_CHUNK_BYTES = 256 << 10  # what a broken connection can lose
_BATCH = 1_000

Result = TypeVar("Result")


class Stores:
    """One place, opened up to three times, because obstore's time-outs and tries belong to a store.

    Opening reads all certificates of the machine, so what only large uploads need is opened with the first of them.

    Args:
        brisk: For everything small and for reading: an answer is expected soon. Does not try again by itself.
        patient: Opens it for sending much: an answer comes when all has arrived. Does not try again by itself.
        parts: Opens it for parts of large objects, each of which is tried again by itself.

    """

    def __init__(
        self, brisk: ObjectStore, *, patient: Callable[[], ObjectStore], parts: Callable[[], ObjectStore]
    ) -> None:
        self.brisk = brisk
        self._patient = patient
        self._parts = parts

    @cached_property
    def patient(self) -> ObjectStore:
        """The place for sending up to one part."""
        return self._patient()

    @cached_property
    def parts(self) -> ObjectStore:
        """The place for sending in parts."""
        return self._parts()


class StoredObjects:
    """The objects below one prefix of a place.

    Args:
        stores: The place.
        url: Its address, without credentials.
        persistence: How often things are tried.
        proven: Whether it is known that the first of two writers wins there.

    """

    def __init__(self, stores: Stores, url: str, persistence: Persistence, *, proven: bool) -> None:
        self._stores = stores
        self._url = url
        self._persistence = persistence
        self._proven = proven
        self._proving = threading.Lock()

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self._url

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        """Return the bytes of an object."""

        def ask(_tries: Tries) -> bytes:
            found = obstore.get(self._stores.brisk, check_key(key))
            if found.meta["size"] > limit_bytes:
                raise faults.too_large(self._where(key), found.meta["size"], limit_bytes)
            return bytes(found.bytes())

        try:
            return self._persistence.persist(self._where(key), ask)
        except FileNotFoundError as error:
            raise self._missing(key, error) from None

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from offset `start`."""
        reading = _Reading(self._stores.brisk, check_key(key), start)
        tries = Tries(self._persistence, self._where(key))
        while not reading.complete:
            try:
                for data in reading.more():
                    tries.progressed()
                    yield data
            except FileNotFoundError as error:
                raise self._missing(key, error) from None
            except PreconditionError:
                raise faults.replaced(self._where(key)) from None
            except BaseError as error:
                tries.failed(error)

    def local(self, key: str) -> Path | None:  # noqa: ARG002 - the protocol's
        """Return None: no object is a file here."""
        return None

    def create(self, key: str, data: bytes | Path) -> bool:
        """Write a new object; `OSError` comes from the file `data`, everything else from here."""
        check_key(key)
        if not self._proven:
            self._prove()
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        if size > _SMALL_BYTES and self.stat(key) is not None:
            return False
        if isinstance(data, bytes):
            return self._create(key, data)
        if size <= _PART_BYTES:
            return self._create(key, data.read_bytes())
        self._upload(key, data, size)
        return True

    def replace(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""
        check_key(key)
        self._written(key, lambda _: obstore.put(self._writer(data), key, data))

    def stat(self, key: str) -> Stat | None:
        """Return what is known of an object, None when it is not there."""
        check_key(key)
        try:
            found = self._persistence.persist(self._where(key), lambda _: obstore.head(self._stores.brisk, key))
        except FileNotFoundError:
            return None
        return Stat(key=key, size=found["size"], modified=found["last_modified"])

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield the objects whose keys begin with `prefix`."""
        tries = Tries(self._persistence, self._where(check_prefix(prefix)))
        last: str | None = None
        while True:
            try:
                for batch in obstore.list(self._stores.brisk, prefix or None, offset=last, chunk_size=_BATCH):
                    tries.progressed()
                    for found in batch:
                        last = found["path"]
                        if is_key(last):
                            yield Stat(key=last, size=found["size"], modified=found["last_modified"])
            except BaseError as error:
                tries.failed(error)
            else:
                return

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        waiting = iter(keys)
        while batch := [check_key(key) for key in itertools.islice(waiting, _BATCH)]:
            try:
                self._delete(batch)
            except FileNotFoundError:  # a place that minds may have stopped there
                for key in batch:
                    with suppress(FileNotFoundError):
                        self._delete([key])

    def settle(self) -> None:
        """Do nothing: what such a place has answered for is there."""

    def close(self) -> None:
        """Do nothing: connections close with the last reference."""

    def _create(self, key: str, data: bytes) -> bool:
        def ask(tries: Tries) -> bool:
            try:
                obstore.put(self._writer(data), key, data, mode="create")
            except AlreadyExistsError as error:
                if read_answer(error).status == 409:
                    raise  # somebody is writing it right now: the next try tells whether it came to be
                return tries.uncertain and self._holds(key, data)
            return True

        return self._written(key, ask)

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self.get(key, limit_bytes=len(data)) == data
        except (HubError, NotFoundError):  # another one, or gone again
            return False

    def _upload(self, key: str, path: Path, size: int) -> None:
        """Send a large file in parts; it appears when the last of them is there."""
        part = max(_PART_BYTES, -(-size // _PARTS_MAX))

        def ask(tries: Tries) -> None:
            if tries.uncertain and (found := self.stat(key)) is not None and found.size == size:
                return
            obstore.put(
                self._stores.parts, key, path, use_multipart=True, chunk_size=part, max_concurrency=_PARTS_AT_ONCE
            )

        self._written(key, ask)

    def _delete(self, keys: Sequence[str]) -> None:
        self._persistence.persist(self._where(keys[0]), lambda _: obstore.delete(self._stores.brisk, keys))

    def _written(self, key: str, ask: Callable[[Tries], Result]) -> Result:
        """Persist in writing; that something is not found is then the bucket."""
        try:
            return self._persistence.persist(self._where(key), ask)
        except FileNotFoundError as error:
            answer = read_answer(error)
            if answer.status is None:
                raise  # the file to send
            raise answer.fault(self._where(key)) from PlaceError(answer.why)

    def _prove(self) -> None:
        """Refuse a place that overwrites what it should not; ask it with an object that always has the same bytes."""
        with self._proving:
            if self._proven:
                return
            try:
                overwrites = self._create(EXCLUSIVE, b"") and self._create(EXCLUSIVE, b"")
            except HubError as error:
                if error.reference != "hub-refused":
                    raise
                raise faults.not_exclusive(self._url, error.why or "") from error
            if overwrites:
                raise faults.not_exclusive(self._url, "it wrote one object twice although asked to write it once")
            self._proven = True

    def _writer(self, data: bytes) -> ObjectStore:
        return self._stores.brisk if len(data) <= _SMALL_BYTES else self._stores.patient

    def _missing(self, key: str, error: FileNotFoundError) -> BreakbulkError:
        answer = read_answer(error)
        return answer.fault(self._where(key)) if answer.code == "NoSuchBucket" else faults.missing(self._where(key))

    def _where(self, key: str) -> str:
        return f"{self._url}/{key}"


class _Reading:
    """One object, through as many requests as it takes; from the second on only if it is still the same."""

    def __init__(self, store: ObjectStore, key: str, start: int) -> None:
        self._store = store
        self._key = key
        self._offset = start
        self._meta: ObjectMeta | None = None
        self.complete = False

    def more(self) -> Iterator[bytes]:
        """Yield what one request gives of the rest."""
        if self._offset and self._meta is None:
            self._meta = obstore.head(self._store, self._key)
        if self._meta is None or self._offset < self._meta["size"]:
            found = obstore.get(self._store, self._key, options=self._options())
            self._meta = found.meta
            for chunk in found.stream(_CHUNK_BYTES):
                data = bytes(chunk)
                self._offset += len(data)
                yield data
        self.complete = True

    def _options(self) -> GetOptions:
        options: GetOptions = {}
        if self._offset:
            options["range"] = {"offset": self._offset}
        if self._meta is not None and self._meta["e_tag"]:
            options["if_match"] = self._meta["e_tag"]
        return options


_memories: dict[str, ObjectStore] = {}
_opening = threading.Lock()


def memory_objects(name: str) -> StoredObjects:
    """Return the objects of that name in the memory of this process: the same ones each time."""
    with _opening:
        store = _memories.setdefault(name, MemoryStore())
    stores = Stores(store, patient=lambda: store, parts=lambda: store)
    return StoredObjects(stores, f"memory://{name}", Persistence(1), proven=True)
