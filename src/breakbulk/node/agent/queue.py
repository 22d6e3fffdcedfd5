"""Which work goes on and which waits: single flight, fair order, back-off, back-pressure. Pure: clocks are handed in.

    asked ──► waiting ──► running ──► done, and everybody who waited is served
                 ▲           │ failed
                 └── resting ◄┘   (twice as long each time; whoever is new shortens it)

Guarantees: a key runs at most once at a time, and at most `at_once` of them together; the smallest that is left goes
first, those of pods with a higher priority before, but whoever has waited for `patience_s` goes before all who came
later; what nobody waits for any more is stopped; `waiting_max` keys wait, others are refused; what failed is tried
again for as long as somebody waits. The agent has two: for what references mean, where `fresh` has it that nobody is
given an answer to a question that was asked before they came, and for realisations. Counterpart: `agent`, which does
what the effects say.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec

from breakbulk.errors import BreakbulkError

__all__ = ["Disappointed", "Effect", "Queue", "Refused", "Served", "Start", "State", "Stop", "Waiter"]

_PAUSE_S = 2.0
_PAUSE_MAX_S = 120.0


class Waiter(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever waits: the uid of a pod, and its priority as Kubernetes counts it, higher first."""

    name: str
    priority: int = 0


class Start(msgspec.Struct, frozen=True):
    """Begin the work; answer with `done`, `failed` or `stopped`."""

    key: str


class Stop(msgspec.Struct, frozen=True):
    """End the work, as nobody waits for it; answer with `stopped`."""

    key: str


class Served(msgspec.Struct, frozen=True):
    """The work is done for these."""

    key: str
    waiters: tuple[str, ...]


class Disappointed(msgspec.Struct, frozen=True):
    """The work has failed; it is tried again after so many seconds, for as long as one of these waits."""

    key: str
    waiters: tuple[str, ...]
    error: BreakbulkError
    again_in_s: float


class Refused(msgspec.Struct, frozen=True):
    """Too much waits already; ask again later."""

    key: str
    waiter: str


Effect = Start | Stop | Served | Disappointed | Refused


class State(Enum):
    """Of one key."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESTING = "resting"


class _Entry:
    __slots__ = ("due_s", "error", "failed_s", "failures", "left_bytes", "served", "since_s", "state", "waiters")

    def __init__(self, now_s: float) -> None:
        self.state = State.WAITING
        self.waiters: dict[str, Waiter] = {}
        self.served: frozenset[str] = frozenset()
        self.since_s = now_s
        self.left_bytes = 0
        self.failures = 0
        self.failed_s = 0.0
        self.due_s = 0.0
        self.error: BreakbulkError | None = None


class Queue:
    """All work of one kind. Every method returns what is to be done now.

    Args:
        at_once: How many keys run together.
        waiting_max: How many keys wait for a place before others are refused; those that rest are not counted.
        patience_s: After so many seconds a key goes before all that are younger, however small they are.
        fresh: Serve only those who waited when the work began; the others are served by the next.

    """

    def __init__(self, *, at_once: int, waiting_max: int = 256, patience_s: float = 120.0, fresh: bool = False) -> None:
        self._at_once = at_once
        self._waiting_max = waiting_max
        self._patience_s = patience_s
        self._fresh = fresh
        self._held = False
        self._entries: dict[str, _Entry] = {}

    def ask(self, key: str, waiter: Waiter, now_s: float, *, left_bytes: int | None = None) -> list[Effect]:
        """Have the work done for `waiter`; it changes nothing to ask again."""
        entry = self._entries.get(key)
        if entry is None or not entry.waiters:
            if self.waiting >= self._waiting_max:
                return [Refused(key, waiter.name)]
            entry = self._entries.setdefault(key, _Entry(now_s))
        if entry.state is State.RESTING and waiter.name not in entry.waiters:
            entry.due_s = min(entry.due_s, entry.failed_s + _PAUSE_S)
        entry.waiters[waiter.name] = waiter
        if left_bytes is not None:
            entry.left_bytes = left_bytes
        return self.tick(now_s)

    def forget(self, name: str, now_s: float, *, key: str | None = None) -> list[Effect]:
        """Take it that `name` waits no more, for `key` or for anything."""
        effects: list[Effect] = []
        for each in [key] if key is not None else list(self._entries):
            entry = self._entries.get(each)
            if entry is None or entry.waiters.pop(name, None) is None or entry.waiters:
                continue
            if entry.state is State.RUNNING:
                entry.state = State.STOPPING
                effects.append(Stop(each))
            elif entry.state is State.WAITING:
                del self._entries[each]
        return effects + self.tick(now_s)

    def measured(self, key: str, left_bytes: int) -> None:
        """Take it that so many bytes are left to be done."""
        if entry := self._entries.get(key):
            entry.left_bytes = left_bytes

    def done(self, key: str, now_s: float) -> list[Effect]:
        """Take it that the work has succeeded."""
        entry = self._entries.pop(key)
        served = entry.served & entry.waiters.keys() if self._fresh else entry.waiters.keys()
        effects: list[Effect] = [Served(key, tuple(sorted(served)))]
        if late := {name: waiter for name, waiter in entry.waiters.items() if name not in served}:
            self._entries[key] = again = _Entry(now_s)
            again.waiters = late
        return effects + self.tick(now_s)

    def failed(self, key: str, error: BreakbulkError, now_s: float) -> list[Effect]:
        """Take it that the work has failed; it rests, also when nobody waits, so that who comes next does not hurry."""
        entry = self._entries[key]
        entry.failures += 1
        entry.state, entry.error, entry.failed_s = State.RESTING, error, now_s
        entry.due_s = now_s + pause_s(entry.failures)
        told = Disappointed(key, tuple(sorted(entry.waiters)), error, entry.due_s - now_s)
        return [told, *self.tick(now_s)]

    def stopped(self, key: str, now_s: float) -> list[Effect]:
        """Take it that the work has ended without an outcome: as it was told to, or with the machine's blessing."""
        entry = self._entries.pop(key)
        if entry.waiters:
            entry.state, entry.since_s = State.WAITING, now_s
            self._entries[key] = entry
        return self.tick(now_s)

    def hold(self) -> None:
        """Begin nothing until `release`."""
        self._held = True

    def release(self, now_s: float) -> list[Effect]:
        """Go on after `hold`."""
        self._held = False
        return self.tick(now_s)

    def tick(self, now_s: float) -> list[Effect]:
        """Begin what can begin."""
        self._wake(now_s)
        effects: list[Effect] = []
        while not self._held and self.running < self._at_once and (key := self._next(now_s)) is not None:
            entry = self._entries[key]
            entry.state, entry.served = State.RUNNING, frozenset(entry.waiters)
            effects.append(Start(key))
        return effects

    @property
    def wake_s(self) -> float | None:
        """When to call `tick`, if nothing happens before; None for never."""
        return min((entry.due_s for entry in self._entries.values() if entry.state is State.RESTING), default=None)

    @property
    def running(self) -> int:
        """How many keys run."""
        return sum(entry.state in {State.RUNNING, State.STOPPING} for entry in self._entries.values())

    @property
    def waiting(self) -> int:
        """How many keys wait for a place."""
        return sum(entry.state is State.WAITING for entry in self._entries.values())

    def state(self, key: str) -> State | None:
        """Return how it is with a key, None when nobody has asked."""
        entry = self._entries.get(key)
        return entry.state if entry else None

    def error(self, key: str) -> BreakbulkError | None:
        """Return why the last try failed, while it rests or is tried again."""
        entry = self._entries.get(key)
        return entry.error if entry else None

    def waiters(self, key: str) -> tuple[str, ...]:
        """Return who waits for a key."""
        entry = self._entries.get(key)
        return tuple(sorted(entry.waiters)) if entry else ()

    def _wake(self, now_s: float) -> None:
        for key, entry in list(self._entries.items()):
            if entry.state is State.RESTING and entry.due_s <= now_s:
                if entry.waiters:
                    entry.state, entry.since_s = State.WAITING, entry.due_s
                else:
                    del self._entries[key]

    def _next(self, now_s: float) -> str | None:
        return min(self._candidates(), key=lambda key: self._rank(key, now_s), default=None)

    def _candidates(self) -> Iterator[str]:
        return (key for key, entry in self._entries.items() if entry.state is State.WAITING)

    def _rank(self, key: str, now_s: float) -> tuple[int, float, float, float, str]:
        entry = self._entries[key]
        if now_s - entry.since_s >= self._patience_s:
            return (0, entry.since_s, 0.0, 0.0, key)
        priority = max(waiter.priority for waiter in entry.waiters.values())
        return (1, -priority, entry.left_bytes, entry.since_s, key)


def pause_s(failures: int) -> float:
    """Return for how long work rests that has failed so many times in a row."""
    return float(min(_PAUSE_S * 2.0 ** min(failures - 1, 20), _PAUSE_MAX_S))
