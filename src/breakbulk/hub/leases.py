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
from datetime import UTC, datetime, timedelta

import msgspec

from breakbulk.errors import BreakbulkError, HubError, NotFoundError
from breakbulk.hub.layout import COLLECTING, LEASES
from breakbulk.hub.objects import Objects, Stat
from breakbulk.reporting import SILENT, Reporter

__all__ = ["DEAD_AFTER", "MARKER_DEAD_AFTER", "Collecting", "Lease", "Leases", "collecting", "pushing"]

DEAD_AFTER = timedelta(minutes=15)
"""A lease of this age has not been renewed by anybody alive."""

MARKER_DEAD_AFTER = timedelta(minutes=3)
"""So long pushes wait for a collection that was killed."""

_RENEW_S = 60.0
_MARKER_RENEW_S = 15.0
_PAUSED_S = 90.0  # a collection that could not renew its marker for so long ends: pushes may have gone on
_SLACK = timedelta(seconds=2)  # between the clocks of one place's machines
_LEASE_MAX_BYTES = 64 << 20
_LOOK_S = 1.0


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of the objects that a push is going to refer to, and when it began, by the clock of the place.

    What is written there after it began may be the push's own, whether it is named or not.
    """

    keys: tuple[str, ...]
    since: datetime | None = None


class Leases(msgspec.Struct, frozen=True, kw_only=True):
    """What pushes at work need: the keys they name, and everything that was written since `since` (None: nothing)."""

    keys: frozenset[str]
    since: datetime | None

    def spare(self, stat: Stat) -> bool:
        """Say whether a push may need an object."""
        return stat.key in self.keys or (self.since is not None and stat.modified >= self.since - _SLACK)


class Held:
    """A lease of ours while it is held."""

    def __init__(self, objects: Objects, keys: Iterable[str]) -> None:
        self._objects = objects
        self._key = LEASES + secrets.token_hex(16)
        self._lease = Lease(keys=tuple(sorted(keys)))
        self._data = msgspec.json.encode(self._lease)
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew_until_ended, name="lease", daemon=True)

    def begin(self) -> None:
        """Write the lease, with the time it begins, and go on renewing it."""
        self._data = msgspec.json.encode(msgspec.structs.replace(self._lease, since=self.now()))
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


class Collecting:
    """The marker of our collection while it is held.

    Attributes:
        begun: When, by the clock of the place.

    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._token = secrets.token_hex(16).encode()
        self._ended = threading.Event()
        self._renewed_s = _now_s()
        self._renewer = threading.Thread(target=self._renew_until_ended, name="collecting", daemon=True)
        self.begun = datetime.min.replace(tzinfo=UTC)

    def begin(self) -> None:
        """Write the marker, over that of a collection that is dead; raise `HubError` `collection-running`."""
        try:
            if not self._objects.create(COLLECTING, self._token):
                self._take_over()
        except HubError as error:
            if error.reference == "hub-full":
                error.hint = "make a little room in another way: a collection begins with writing some bytes"
            raise
        self._renewed_s = _now_s()
        stat = self._objects.stat(COLLECTING)
        if stat is None:
            raise _taken(self._objects.url)
        self.begun = stat.modified
        self._renewer.start()

    def leases(self) -> Leases:
        """Return what pushes at work need; remove what the dead have left."""
        keys: set[str] = set()
        began: list[datetime] = []
        for stat in list(self._objects.list(LEASES)):
            if self.begun - stat.modified > DEAD_AFTER:
                self._objects.delete([stat.key])
                continue
            try:
                lease = msgspec.json.decode(self._objects.get(stat.key, limit_bytes=_LEASE_MAX_BYTES), type=Lease)
            except NotFoundError:
                continue  # it has ended, after its change was recorded
            except (msgspec.MsgspecError, ValueError) as error:
                raise _unreadable(f"{self._objects.url}/{stat.key}", str(error)) from error
            keys.update(lease.keys)
            began.append(lease.since or stat.modified)
        return Leases(keys=frozenset(keys), since=min(began, default=None))

    def check(self) -> None:
        """Raise `HubError` `collection-lost` unless the marker is ours and was renewed: pushes may have gone on."""
        try:
            ours = self._objects.get(COLLECTING, limit_bytes=1024) == self._token
        except NotFoundError:
            ours = False
        if not ours or _now_s() - self._renewed_s > _PAUSED_S:
            raise _taken(self._objects.url)

    def end(self) -> None:
        """Let pushes go on; a marker that is another's stays."""
        self._ended.set()
        if self._renewer.is_alive():
            self._renewer.join()
        try:
            if self._objects.get(COLLECTING, limit_bytes=1024) == self._token:
                self._objects.delete([COLLECTING])
        except NotFoundError:
            return

    def _take_over(self) -> None:
        """Replace, never remove and create: pushes see one marker or the other at every moment."""
        clock = LEASES + secrets.token_hex(16)
        self._objects.replace(clock, msgspec.json.encode(Lease(keys=())))
        now, marker = self._objects.stat(clock), self._objects.stat(COLLECTING)
        self._objects.delete([clock])
        if now is not None and marker is not None and now.modified - marker.modified < MARKER_DEAD_AFTER:
            raise HubError(
                "somebody else is removing what nobody needs from this hub",
                identifier="collection-running",
                where=self._objects.url,
                hint="wait until that has ended; one that was killed counts for three minutes",
            )
        self._objects.replace(COLLECTING, self._token)

    def _renew_until_ended(self) -> None:
        while not self._ended.wait(_MARKER_RENEW_S):
            try:
                self.check()
                self._objects.replace(COLLECTING, self._token)
                self._renewed_s = _now_s()
            except HubError:
                return
            except BreakbulkError:
                continue


@contextmanager
def collecting(objects: Objects) -> Iterator[Collecting]:
    """Hold the marker of a collection, so that pushes that begin now wait.

    Call `Collecting.check` right before each removal. Raises `HubError` `collection-running`, and as `Objects`.
    """
    marker = Collecting(objects)
    marker.begin()
    try:
        yield marker
    finally:
        marker.end()


def _now_s() -> float:
    """Return seconds by a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _taken(url: str) -> HubError:
    return HubError(
        "this collection was paused for so long that pushes went on without it",
        identifier="collection-lost",
        where=url,
        hint="run the command again; what it has removed, nobody needs",
    )


def _unreadable(where: str, why: str) -> HubError:
    return HubError(
        "what a push needs cannot be read, so nothing is removed",
        identifier="lease-unreadable",
        where=where,
        why=why,
        hint="wait until all pushes have ended, and for fifteen minutes if one was killed; then remove the object",
    )


def _await_collection(objects: Objects, lease: Held, reporter: Reporter, pause: Callable[[float], object]) -> None:
    told = False
    while (marker := objects.stat(COLLECTING)) is not None and lease.now() - marker.modified < MARKER_DEAD_AFTER:
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
