"""Work on several things at once, in threads that nobody waits for once the work is not wanted any more.

A pool of `concurrent.futures` is joined whenever its context, or the interpreter, ends: Control-C would wait until the
last mirror has answered or timed out. These threads end with the process instead; what they hold of it (temporary
directories, uv) is put away when the interpreter ends.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

__all__ = ["side_by_side"]

_WAKE_S = 0.2

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> list[Result]:
    """Return `work(item)` of each item, in their order; at most `threads` at once.

    When one fails nothing more is begun, and its error is raised when what had been begun has ended; the first in the
    order of the items when there are several. An exception in the calling thread (Control-C) is raised at once.
    """
    futures: list[Future[Result]] = []
    waiting: queue.SimpleQueue[tuple[Item, Future[Result]]] = queue.SimpleQueue()
    for item in items:
        futures.append(Future())
        waiting.put((item, futures[-1]))
    for _ in range(min(threads, len(futures))):
        threading.Thread(target=_serve, args=(work, waiting, futures), daemon=True).start()
    while wait(futures, _WAKE_S).not_done:
        pass  # a signal that came in the moment before the wait is seen when it ends
    failed = [future for future in futures if not future.cancelled() and future.exception()]
    return [future.result() for future in failed or futures]


def _serve(
    work: Callable[[Item], Result],
    waiting: queue.SimpleQueue[tuple[Item, Future[Result]]],
    futures: list[Future[Result]],
) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            item, future = waiting.get_nowait()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work(item))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                for other in futures:
                    other.cancel()
                future.set_exception(error)
