"""How far the realisations of one node are, in words for pods that wait. Counterpart: `orders`, how they tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from breakbulk.node.agent.queue import Queue, State
from breakbulk.node.agent.wishes import Wish
from breakbulk.node.agent.wording import amount
from breakbulk.node.realising.orders import Progress

__all__ = ["Estimate", "Estimates", "waiting"]


class Estimate:
    """How far a realisation has come, and how long the rest takes at the pace so far.

    Args:
        begun_s: When it began, by any clock that `words` is told of as well.

    """

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._done_bytes = self._total_bytes = 0

    def progressed(self, progress: Progress) -> None:
        """Take in how far it is."""
        self._done_bytes, self._total_bytes = progress.done_bytes, progress.total_bytes

    @property
    def left_s(self) -> float | None:
        """Seconds of the rest for each second so far; None while nobody can tell."""
        done, total = self._done_bytes, self._total_bytes
        return (total - done) / done if done and total >= done else None

    def words(self, now_s: float) -> str:
        """Return `120 MB of 800 MB, about 40 s left`."""
        if not self._total_bytes:
            return "being realised"
        left = "" if self.left_s is None else f", about {max(self.left_s * (now_s - self._begun_s), 1):.0f} s left"
        said = f"{amount(self._done_bytes)} of {amount(self._total_bytes)} are here"
        return said + (left if self._done_bytes < self._total_bytes else ", unpacking")


class Estimates:
    """Estimates of all realisations that run.

    Args:
        queue: Of realisations; says whether one waits, and how many others run.

    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._running: dict[str, Estimate] = {}

    @contextmanager
    def of(self, key: str, begun_s: float) -> Iterator[Callable[[Progress], None]]:
        """Have an estimate while a realisation lasts; the result is to be told of its progress."""
        self._running[key] = estimate = Estimate(begun_s)
        try:
            yield estimate.progressed
        finally:
            del self._running[key]

    def words(self, wishes: Iterable[Wish], now_s: float) -> str:
        """Return how far those are that are not here; empty if all are."""
        return "; ".join(f"{wish.shown}: {self._said(wish, now_s)}" for wish in wishes if not wish.here)

    def _said(self, wish: Wish, now_s: float) -> str:
        if wish.target is None:
            return "looking up what it is"
        if estimate := self._running.get(str(wish.target)):
            return estimate.words(now_s)
        missing = f"{amount(wish.left_bytes)} are missing"
        if self._queue.state(str(wish.target)) is State.WAITING:
            return f"{missing}; {waiting(self._queue.running)}"
        return missing


def waiting(running: int) -> str:
    """Return why a realisation waits while so many others run; none do while the store is tidied."""
    match running:
        case 0:
            return "waiting until packages that nobody needs are removed"
        case 1:
            return "waiting, as another is realised first"
        case _:
            return f"waiting, as {running} others are realised first"
