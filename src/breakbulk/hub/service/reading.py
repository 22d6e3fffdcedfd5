"""A hub whose immutable parts are remembered in memory: pages and searches ask for the same changes again and again."""

from __future__ import annotations

from functools import lru_cache

from breakbulk.hub.hub import Hub
from breakbulk.hub.objects import Objects
from breakbulk.hub.records import Blob, Change, Recorded
from breakbulk.lock.model import Lock

__all__ = ["RememberingReader"]

_CHANGES = 20_000
_LOCKS = 64


class RememberingReader(Hub):
    """A hub to read from; what it remembers never changes: changes by their number, locks by their digest."""

    def __init__(self, objects: Objects) -> None:
        super().__init__(objects)
        self._change = lru_cache(_CHANGES)(super().recorded)
        self._locks: dict[Blob, Lock] = {}

    def recorded(self, environment: str, number: int) -> Recorded:
        """Return change `number`, as `Hub.recorded`."""
        return self._change(environment, number)

    def lock(self, change: Change) -> Lock:
        """Return the lock of a change, as `Hub.lock`."""
        if change.lock not in self._locks:
            while len(self._locks) >= _LOCKS:
                self._locks.pop(next(iter(self._locks)), None)
            self._locks[change.lock] = super().lock(change)
        return self._locks[change.lock]
