"""Keep a push and a collection of unreachable objects out of each other's way, on any place that keeps objects.

A push writes a **lease**, the keys it is going to refer to, and then looks for the marker of a collection; a collection
writes its marker, and then looks for leases. As every place shows what was written to whoever reads afterwards, one of
the two sees the other: the push waits until the collection has ended, or the collection spares what the lease names.
Any number of pushes go on at once.

Whoever holds a lease or the marker renews it; what has not been renewed for long belongs to the dead. Ages are told by
the clock of the place alone, from the times it gives to objects, so machines with wrong clocks do no harm.
Counterparts: `push`, `collection`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec

from breakbulk.errors import BreakbulkError, HubError
from breakbulk.hub.layout import COLLECTING, LEASES
from breakbulk.hub.objects import Objects
from breakbulk.reporting import SILENT, Reporter

__all__ = ["DEAD_AFTER", "Lease", "pushing"]

DEAD_AFTER = timedelta(minutes=15)
"""A lease or marker of this age has not been renewed by anybody alive."""

_RENEW_S = 60.0
_LOOK_S = 1.0


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of the objects that a push is going to refer to."""

    keys: tuple[str, ...]


class Held:
    """A lease of ours while it is held."""

    def __init__(self, objects: Objects, keys: Iterable[str]) -> None:
        self._objects = objects
        self._key = LEASES + secrets.token_hex(16)
        self._data = msgspec.json.encode(Lease(keys=tuple(sorted(keys))))
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew_until_ended, name="lease", daemon=True)

    def begin(self) -> None:
        """Write the lease and go on renewing it."""
        self._objects.replace(self._key, self._data)
        self._renewer.start()

    def now(self) -> datetime:
        """Return the time by the clock of the place."""
        self._objects.replace(self._key, self._data)
        stat = self._objects.stat(self._key)
        if stat is None:
            raise _lost(self._objects.url)
        return stat.modified

    def check(self) -> None:
        """Raise `HubError` `lease-lost` when a collection took us for dead: what we found may be gone."""
        if self._objects.stat(self._key) is None:
            raise _lost(self._objects.url)

    def end(self) -> None:
        """Give the lease back."""
        self._ended.set()
        self._renewer.join()
        self._objects.delete([self._key])

    def _renew_until_ended(self) -> None:
        while not self._ended.wait(_RENEW_S):
            try:
                if self._objects.stat(self._key) is not None:
                    self._objects.replace(self._key, self._data)
            except BreakbulkError:
                continue  # the next renewal is long before the lease counts as dead; `check` tells when it was not


@contextmanager
def pushing(
    objects: Objects,
    keys: Iterable[str],
    reporter: Reporter = SILENT,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Held]:
    """Hold a lease for objects that a change is going to refer to, whether they are there already or not.

    Call `Held.check` right before the commit. Raises what `Objects` raises.
    """
    lease = Held(objects, keys)
    lease.begin()
    try:
        _await_collection(objects, lease, reporter, pause)
        yield lease
    finally:
        lease.end()


def _await_collection(objects: Objects, lease: Held, reporter: Reporter, pause: Callable[[float], object]) -> None:
    told = False
    while (marker := objects.stat(COLLECTING)) is not None and lease.now() - marker.modified < DEAD_AFTER:
        if not told:
            reporter.note("waiting for the hub to finish removing what nobody needs")
            told = True
        pause(_LOOK_S)


def _lost(url: str) -> HubError:
    return HubError(
        "this push was paused for so long that the hub may have removed what it had found there",
        identifier="lease-lost",
        where=url,
        hint="run the command again: only what is missing is sent",
    )
