"""Places for objects that count what is asked of them, or fail where a test wants them to."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from breakbulk.errors import NotFoundError
from breakbulk.hub.objects import Objects, Stat

Answer = TypeVar("Answer")


class Dictionary:
    """Objects in a dictionary, with a clock that moves a second with each write."""

    url = "memory://test"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self._lock = threading.Lock()

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        try:
            return self.objects[key][0]
        except KeyError:
            raise NotFoundError("there is no such object", identifier="object-missing", where=key) from None

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        yield self.get(key)[start:]

    def local(self, key: str) -> Path | None:
        return None

    def create(self, key: str, data: bytes | Path) -> bool:
        with self._lock:
            if key in self.objects:
                return False
            self._write(key, data if isinstance(data, bytes) else data.read_bytes())
            return True

    def replace(self, key: str, data: bytes) -> None:
        with self._lock:
            self._write(key, data)

    def _write(self, key: str, data: bytes) -> None:
        self.now += timedelta(seconds=1)
        self.objects[key] = (data, self.now)

    def stat(self, key: str) -> Stat | None:
        data, modified = self.objects.get(key, (None, self.now))
        return None if data is None else Stat(key=key, size=len(data), modified=modified)

    def list(self, prefix: str) -> Iterator[Stat]:
        found = [Stat(key=k, size=len(d), modified=m) for k, (d, m) in self.objects.copy().items()]
        return (stat for stat in found if stat.key.startswith(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self.objects.pop(key, None)

    def settle(self) -> None:
        pass

    def close(self) -> None:
        pass


class Wrapped:
    """Another place, with `before` and `after` called around each request; both may raise.

    They are handed the verb and the key, of `delete` the keys joined by spaces.
    """

    def __init__(
        self,
        inner: Objects,
        before: Callable[[str, str], object] = lambda _verb, _key: None,
        after: Callable[[str, str], object] = lambda _verb, _key: None,
    ) -> None:
        self.inner, self.before, self.after = inner, before, after
        self.requests: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return self.inner.url

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        return self._ask("get", key, lambda: self.inner.get(key, limit_bytes=limit_bytes))

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        return self._ask("get", key, lambda: self.inner.stream(key, start))

    def local(self, key: str) -> Path | None:
        return self.inner.local(key)

    def create(self, key: str, data: bytes | Path) -> bool:
        return self._ask("create", key, lambda: self.inner.create(key, data))

    def replace(self, key: str, data: bytes) -> None:
        self._ask("replace", key, lambda: self.inner.replace(key, data))

    def stat(self, key: str) -> Stat | None:
        return self._ask("stat", key, lambda: self.inner.stat(key))

    def list(self, prefix: str) -> Iterator[Stat]:
        return self._ask("list", prefix, lambda: iter(list(self.inner.list(prefix))))

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        self._ask("delete", " ".join(keys), lambda: self.inner.delete(keys))

    def settle(self) -> None:
        self.inner.settle()

    def close(self) -> None:
        self.inner.close()

    def _ask(self, verb: str, key: str, answer: Callable[[], Answer]) -> Answer:
        self.requests[verb] += 1
        self.before(verb, key)
        answered = answer()
        self.after(verb, key)
        return answered
