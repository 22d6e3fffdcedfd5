"""Threads that work, and that can be left in any moment."""

import threading
from contextlib import nullcontext

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
