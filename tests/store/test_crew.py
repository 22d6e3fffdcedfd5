"""Threads that work, and that can be left in any moment."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Never

import pytest

from breakbulk.store.crew import Crew


def test_a_thread_that_was_never_started_is_not_waited_for(monkeypatch) -> None:
    """Control-C comes as the thread is about to start."""

    def interrupted(self: threading.Thread) -> None:
        raise KeyboardInterrupt

    crew: Crew[None] = Crew("work", 1, nullcontext)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        crew.submit(lambda _worker: None)
    crew.close()


def test_threads_are_ready_before_there_is_work() -> None:
    opened = threading.Semaphore(0)

    @contextmanager
    def opening() -> Iterator[str]:
        opened.release()
        yield "worker"

    crew = Crew("work", 2, opening)
    crew.start(5)
    assert opened.acquire(timeout=10)
    assert opened.acquire(timeout=10)
    assert crew.submit(str.upper).result(timeout=10) == "WORKER"
    crew.close()
    assert not opened.acquire(blocking=False), "no more than its size"


def test_a_worker_that_cannot_be_had_is_told_only_to_who_wants_work() -> None:
    def refused() -> Never:
        raise PermissionError("no processes left")

    crew: Crew[Never] = Crew("work", 1, refused)
    crew.start(1)
    crew.close()
    asked: Crew[Never] = Crew("work", 1, refused)
    asked.start(1)
    with pytest.raises(PermissionError, match="no processes left"):
        asked.submit(lambda _worker: None).result(timeout=10)
    asked.close()
