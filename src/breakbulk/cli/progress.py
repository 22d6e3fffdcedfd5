"""Show how long work proceeds: bars on a terminal, plain lines in a log, nothing when asked to be quiet.

`Progress` is the `Reporter` that the library is handed. It keeps a board of the work under way, which any thread may
write, and one thread that paints it now and then; work that ends within the delay is never shown and rich is never
imported for it. `bars` is the painter for terminals; `Lines`, here, the one for everything else.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from breakbulk.cli.rendering import human_duration, human_size

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TextIO

    from breakbulk.reporting import Task, Unit

__all__ = ["Lines", "Painter", "Progress", "View", "progress_for"]

DELAY_S = 0.7
"""Work shorter than this is not shown: a bar that flashes by tells nobody anything."""
TERMINAL_INTERVAL_S = 0.125
LINES_INTERVAL_S = 0.5
TELL_EVERY_S = 5.0
RATE_WINDOW_S = 10.0
"""Rates are of the last seconds, so that an estimate follows a network that slows down."""


@dataclass(frozen=True)
class View:
    """One piece of work at one moment; `rate` in units per second, `remaining_s` None when nobody knows."""

    key: int
    title: str
    unit: Unit
    done: int
    total: int | None
    elapsed_s: float
    rate: float
    remaining_s: float | None

    def amount(self) -> str:
        """Return what is done, how fast, and how long it will take: `12.3 MB of 40 MB, 3.2 MB/s, 9 s left`."""
        if self.total is None and not self.done:
            return human_duration(self.elapsed_s)
        parts = [self._quantity()]
        if self.done == self.total:
            return parts[0]
        if self.unit == "bytes" and self.rate > 0:
            parts.append(f"{human_size(self.rate)}/s")
        if self.remaining_s is not None:
            parts.append(f"{human_duration(self.remaining_s)} left")
        return ", ".join(parts)

    def _quantity(self) -> str:
        def written(amount: int) -> str:
            return human_size(amount) if self.unit == "bytes" else str(amount)

        noun = "" if self.unit == "bytes" else f" {self.unit}"
        return (
            f"{written(self.done)}{noun}"
            if self.total is None
            else f"{written(self.done)} of {written(self.total)}{noun}"
        )


class Painter(Protocol):
    """Who makes the board visible; called by one thread at a time."""

    def paint(self, views: Sequence[View], now: float) -> None:
        """Show the work under way."""

    def note(self, message: str) -> None:
        """Show a line that stays."""

    def clear(self) -> None:
        """Take everything but the notes off the screen."""


@dataclass(eq=False)
class _Work:
    """One piece of work; the `Task` handed to the library."""

    key: int
    title: str
    unit: Unit
    total: int | None
    started: float
    forget: Callable[[int], None]
    done: int = 0
    history: deque[tuple[float, int]] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, amount: int = 1) -> None:
        with self.lock:
            self.done += amount

    def grow(self, amount: int) -> None:
        with self.lock:
            self.total = (self.total or 0) + amount

    def finish(self) -> None:
        self.forget(self.key)

    def view(self, now: float) -> View:
        with self.lock:
            done, total = self.done, self.total
        rate = self._rate(now, done)
        left = (total - done) / rate if total is not None and rate > 0 and total >= done else None
        return View(self.key, self.title, self.unit, done, total, now - self.started, rate, left)

    def _rate(self, now: float, done: int) -> float:
        if not self.history:
            self.history.append((self.started, 0))
        self.history.append((now, done))
        while len(self.history) > 2 and now - self.history[0][0] > RATE_WINDOW_S:
            self.history.popleft()
        since, before = self.history[0]
        return max(0.0, (done - before) / (now - since)) if now > since else 0.0


class Progress:
    """The command line's `Reporter`.

    Args:
        painter: Made when there is first something to show.
        interval_s: Seconds between two paintings.
        delay_s: Seconds before work is shown.
        clock: Monotonic seconds.

    """

    def __init__(
        self,
        painter: Callable[[], Painter],
        *,
        interval_s: float = LINES_INTERVAL_S,
        delay_s: float = DELAY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_painter = painter
        self._painter: Painter | None = None
        self._interval_s = interval_s
        self._delay_s = delay_s
        self._clock = clock
        self._board: dict[int, _Work] = {}
        self._keys = 0
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, title: str, *, total: int | None = None, unit: Unit = "steps") -> Task:
        """Put a piece of work on the board."""
        with self._lock:
            self._keys += 1
            work = _Work(self._keys, title, unit, total, self._clock(), self._forget)
            self._board[work.key] = work
            self._start()
        return work

    def note(self, message: str) -> None:
        """Show a line that stays, at once."""
        with self._lock:
            self._shown().note(message)

    def refresh(self) -> None:
        """Paint the board as it is now; the thread does so by itself."""
        with self._lock:
            now = self._clock()
            views = [work.view(now) for work in self._board.values() if now - work.started >= self._delay_s]
            if views or self._painter is not None:
                self._shown().paint(views, now)

    def close(self) -> None:
        """Stop painting and clear the screen; the board starts anew with the next `begin`."""
        thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join()
        with self._lock:
            self._board.clear()
            if self._painter is not None:
                self._painter.clear()

    def _start(self) -> None:
        if self._thread is None:
            self._stop = threading.Event()
            thread = threading.Thread(target=self._keep_painting, args=(self._stop,), daemon=True)
            thread.start()
            self._thread = thread  # only now: whoever closes meanwhile can join it

    def _keep_painting(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval_s):
            try:
                self.refresh()
            except OSError:
                return  # nobody reads standard error any more; the work itself goes on

    def _forget(self, key: int) -> None:
        with self._lock:
            self._board.pop(key, None)

    def _shown(self) -> Painter:
        if self._painter is None:
            self._painter = self._make_painter()
        return self._painter


class Lines:
    """Tell of each piece of work every few seconds, and of its end if its beginning was told."""

    def __init__(self, stream: TextIO, *, every_s: float = TELL_EVERY_S) -> None:
        self._stream = stream
        self._every_s = every_s
        self._told: dict[int, tuple[float, View]] = {}

    def paint(self, views: Sequence[View], now: float) -> None:
        """Print a line for whatever was not told of for a while."""
        present = {view.key for view in views}
        for key in [key for key in self._told if key not in present]:
            self._end(self._told.pop(key)[1])
        for view in views:
            at, before = self._told.get(view.key, (float("-inf"), view))
            stalled_at_end = view.key in self._told and view.done == view.total == before.done
            tell = now - at >= self._every_s and not stalled_at_end
            if tell:
                self._print(f"{view.title}: {view.amount()}")
            self._told[view.key] = (now if tell else at, view)

    def note(self, message: str) -> None:
        """Print the message."""
        self._print(message)

    def clear(self) -> None:
        """Tell the end of what was told of."""
        for _, view in self._told.values():
            self._end(view)
        self._told.clear()

    def _end(self, view: View) -> None:
        self._print(f"{view.title}: done in {human_duration(view.elapsed_s)}")

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class _Nothing:
    def paint(self, views: Sequence[View], now: float) -> None:
        pass

    def note(self, message: str) -> None:
        pass

    def clear(self) -> None:
        pass


def progress_for(stream: TextIO, environ: Mapping[str, str], *, quiet: bool) -> Progress:
    """Return the reporter that fits the stream: bars on a terminal that can draw, lines otherwise."""
    if quiet:
        return Progress(_Nothing)
    if not stream.isatty() or environ.get("TERM") == "dumb":
        return Progress(lambda: Lines(stream))

    def bars() -> Painter:
        from breakbulk.cli.bars import Bars

        return Bars(stream)

    return Progress(bars, interval_s=TERMINAL_INTERVAL_S)
