import contextlib
import io
import os
import pty
import threading
from collections.abc import Sequence

import pytest

from breakbulk.cli.progress import Lines, Progress, View, progress_for


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Recorder:
    """A painter that keeps what it was shown."""

    def __init__(self) -> None:
        self.painted: list[list[View]] = []
        self.notes: list[str] = []
        self.cleared = 0
        self.event = threading.Event()

    def paint(self, views: Sequence[View], now: float) -> None:
        self.painted.append(list(views))
        self.event.set()

    def note(self, message: str) -> None:
        self.notes.append(message)

    def clear(self) -> None:
        self.cleared += 1


NEVER_S = 3600.0


def watched(painter: Recorder | Lines, clock: Clock) -> Progress:
    return Progress(lambda: painter, interval_s=NEVER_S, delay_s=0.7, clock=clock)


def test_short_work_is_never_shown() -> None:
    clock, painter = Clock(), Recorder()
    with watched(painter, clock) as progress:
        task = progress.begin("locking")
        clock.now = 0.5
        progress.refresh()
        task.finish()
        clock.now = 5.0
        progress.refresh()
    assert painter.painted == []


def test_bytes_are_shown_with_rate_and_estimate() -> None:
    clock, painter = Clock(), Recorder()
    with watched(painter, clock) as progress:
        task = progress.begin("fetching", total=30_000_000, unit="bytes")
        task.advance(8_000_000)
        task.grow(10_000_000)
        clock.now = 2.0
        progress.refresh()
    [[view]] = painter.painted
    assert view.amount() == "8.0 MB of 40.0 MB, 4.0 MB/s, 8.0 s left"


def test_the_rate_is_of_the_last_seconds() -> None:
    clock, painter = Clock(), Recorder()
    with watched(painter, clock) as progress:
        task = progress.begin("fetching", total=1_000_000, unit="bytes")
        for second in range(1, 31):
            clock.now = float(second)
            task.advance(10_000 if second <= 5 else 1_000)
            progress.refresh()
    assert painter.painted[-1][0].rate == pytest.approx(1_000)


def test_packages_are_counted_and_work_of_unknown_size_tells_its_time() -> None:
    clock, painter = Clock(), Recorder()
    with watched(painter, clock) as progress:
        progress.begin("unpacking", total=4, unit="packages").advance()
        progress.begin("resolving")
        clock.now = 1.0
        progress.refresh()
    assert [view.amount() for view in painter.painted[0]] == ["1 of 4 packages, 3.0 s left", "1.0 s"]


def test_a_transfer_that_starts_again_gives_no_nonsense() -> None:
    clock, painter = Clock(), Recorder()
    with watched(painter, clock) as progress:
        task = progress.begin("fetching", total=100, unit="bytes")
        task.advance(50)
        clock.now = 1.0
        progress.refresh()
        task.advance(-50)
        clock.now = 2.0
        progress.refresh()
    assert painter.painted[-1][0].amount() == "0 B of 100 B"


def test_a_log_gets_a_line_every_few_seconds_and_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    with watched(Lines(stream, every_s=5.0), clock) as progress:
        task = progress.begin("unpacking", total=20, unit="packages")
        for second in range(1, 12):
            clock.now = float(second)
            task.advance()
            progress.refresh()
        progress.note("a mirror did not answer, trying again")
        task.finish()
        progress.refresh()
    assert stream.getvalue().splitlines() == [
        "unpacking: 1 of 20 packages, 19 s left",
        "unpacking: 6 of 20 packages, 14 s left",
        "unpacking: 11 of 20 packages, 9.0 s left",
        "a mirror did not answer, trying again",
        "unpacking: done in 11 s",
    ]


def test_the_thread_paints_by_itself_and_ends_with_close() -> None:
    painter = Recorder()
    progress = Progress(lambda: painter, interval_s=0.001, delay_s=0.0)
    progress.begin("fetching")
    assert painter.event.wait(10)
    progress.close()
    assert painter.cleared == 1
    assert [thread for thread in threading.enumerate() if thread.daemon and "_keep_painting" in thread.name] == []
    progress.begin("again")
    progress.close()


def test_nothing_is_painted_after_close() -> None:
    clock, painter = Clock(), Recorder()
    progress = watched(painter, clock)
    progress.begin("fetching")
    progress.close()
    clock.now = 10.0
    progress.refresh()
    assert painter.painted in ([], [[]])


def test_many_threads_may_report() -> None:
    clock, painter = Clock(), Recorder()
    with watched(painter, clock) as progress:
        task = progress.begin("fetching", total=8000)
        threads = [threading.Thread(target=lambda: [task.advance() for _ in range(1000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        clock.now = 1.0
        progress.refresh()
    assert painter.painted[0][0].done == 8000


def test_quiet_shows_nothing() -> None:
    stream = io.StringIO()
    with progress_for(stream, {}, quiet=True) as progress:
        progress.begin("fetching")
        progress.note("a note")
        progress.refresh()
    assert stream.getvalue() == ""


def test_a_dumb_terminal_gets_lines() -> None:
    assert "\x1b" not in _on_terminal({"TERM": "dumb"})


def test_a_terminal_gets_bars_and_notes_stay() -> None:
    shown = _on_terminal({"TERM": "xterm"})
    assert "fetching [1 of 2]" in shown
    assert "4.0 MB of 8.0 MB" in shown
    assert "trying [again]" in shown
    assert "\x1b[?25h" in shown  # the cursor is given back


def _on_terminal(environ: dict[str, str]) -> str:
    """Return what is written to a terminal for work of eight megabytes, half done."""
    clock = Clock()
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        progress = progress_for(stream, environ, quiet=False)
        progress._clock, progress._interval_s = clock, NEVER_S
        task = progress.begin("fetching [1 of 2]", total=8_000_000, unit="bytes")
        task.advance(4_000_000)
        clock.now = 1.0
        progress.refresh()
        progress.note("trying [again]")
        progress.close()
    written = b""
    with contextlib.suppress(OSError):  # a terminal whose other side is closed ends with EIO
        while more := os.read(ours, 65536):
            written += more
    os.close(ours)
    return written.decode()
