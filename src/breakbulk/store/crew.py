"""A crew: a fixed number of threads, each with a worker of its own, that take work from one queue by rank.

The worker may be a connection or a process; it is opened by the thread that uses it and closed before that thread
ends, which matters for processes that are killed when the thread that started them ends (`linux`).
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

__all__ = ["Crew"]

Worker = TypeVar("Worker")
Result = TypeVar("Result")

_END = 1 << 62


class Crew(Generic[Worker]):
    """Threads that work.

    Args:
        name: Of the threads.
        size: Number of threads; a thread is started when there is work for it, or by `start`.
        open_worker: Opens what one thread works with; when it fails, so does the work that was waiting for it.

    """

    def __init__(self, name: str, size: int, open_worker: Callable[[], AbstractContextManager[Worker]]) -> None:
        self._name = name
        self._size = size
        self._open_worker = open_worker
        self._queue: queue.PriorityQueue[tuple[int, int, Future[Any], Callable[[Worker], Any]]] = queue.PriorityQueue()
        self._threads: list[threading.Thread] = []
        self._workers: list[Worker] = []
        self._submitted = 0

    def start(self, threads: int) -> None:
        """Start threads ahead of work that is sure to come, so that their workers are open when it does."""
        while len(self._threads) < min(self._size, threads):
            thread = threading.Thread(target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def submit(self, work: Callable[[Worker], Result], *, rank: int = 0) -> Future[Result]:
        """Have `work` called with a worker; of waiting work the lowest rank goes first. From one thread only."""
        future: Future[Result] = Future()
        self._submitted += 1
        self._queue.put((rank, self._submitted, future, work))
        self.start(self._submitted)
        return future

    def close(self, *, abandon: bool = False, patience_s: float | None = None) -> None:
        """Drop work that waits, and close the workers when work in progress has ended.

        Args:
            abandon: Do not wait for work in progress: call each worker's `abandon`, which makes it fail.
            patience_s: Seconds to wait for each thread; one that is stuck ends by itself later.

        """
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()[2].cancel()
        for _ in self._threads:
            self._queue.put((_END, self._submitted, Future(), lambda _: None))
            self._submitted += 1
        if abandon:
            for worker in self._workers:
                worker.abandon()  # type: ignore[attr-defined] # whoever asks for it has such workers
        for thread in self._threads:
            if thread.ident is not None:  # a signal may come between a thread's making and its start
                thread.join(patience_s)

    def _serve(self) -> None:
        ended = False
        try:
            with self._open_worker() as worker:
                self._workers.append(worker)
                while not ended:
                    rank, _, future, work = self._queue.get()
                    ended = rank == _END
                    if not ended and future.set_running_or_notify_cancel():
                        _settle(future, work, worker)
        except Exception as error:
            if ended:
                raise
            self._fail_the_rest(error)

    def _fail_the_rest(self, error: Exception) -> None:
        """No worker could be had: tell whoever waits, until the crew is closed."""
        while True:
            rank, _, future, _ = self._queue.get()
            if rank == _END:
                return
            if future.set_running_or_notify_cancel():
                future.set_exception(error)


def _settle(future: Future[Result], work: Callable[[Worker], Result], worker: Worker) -> None:
    try:
        future.set_result(work(worker))
    except Exception as error:  # noqa: BLE001 - a future carries it to the waiter
        future.set_exception(error)
