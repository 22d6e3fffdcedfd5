"""Do what a queue says: start work as tasks, cancel them, wake up for the next try.

Whatever work raises becomes a failure of that work, and of nothing else. Counterpart: `queue`, which decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from breakbulk.errors import BreakbulkError
from breakbulk.node.agent.queue import Disappointed, Effect, Queue, Refused, Served, Start, Stop, Waiter

__all__ = ["Flights"]

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")


class Flights(Generic[Result]):
    """Work of one kind. For the thread of the loop alone.

    Args:
        queue: Decides.
        work: Does the work of one key; is cancelled when nobody waits for it.
        served: Is told for whom work has succeeded, and its result.
        disappointed: Is told for whom it has failed, and after how many seconds it is tried again.
        refused: Is told for whom there is too much work already.

    """

    def __init__(
        self,
        queue: Queue,
        work: Callable[[str], Awaitable[Result]],
        *,
        served: Callable[[str, Iterable[str], Result], object],
        disappointed: Callable[[str, Iterable[str], BreakbulkError, float], object],
        refused: Callable[[str, str], object],
    ) -> None:
        self.queue = queue
        self._work = work
        self._served = served
        self._disappointed = disappointed
        self._refused = refused
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, key: str, waiter: Waiter, *, left_bytes: int | None = None) -> None:
        """Have work done for somebody."""
        self._take(self.queue.ask(key, waiter, _now_s(), left_bytes=left_bytes))

    def forget(self, name: str, *, key: str | None = None) -> None:
        """Take it that somebody waits no more."""
        self._take(self.queue.forget(name, _now_s(), key=key))

    def release(self) -> None:
        """Go on after `queue.hold`."""
        self._take(self.queue.release(_now_s()))

    async def close(self) -> None:
        """End all work, and return when nothing of it is left."""
        if self._timer is not None:
            self._timer.cancel()
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Start(key):
                    self._start(key)
                case Stop(key):
                    self._tasks[key].cancel()
                case Disappointed(key, waiters, error, again_in_s):
                    self._disappointed(key, waiters, error, again_in_s)
                case Refused(key, waiter):
                    self._refused(key, waiter)
                case Served():  # only `done` gives it, which has the result
                    pass
        self._set_timer()

    def _start(self, key: str) -> None:
        task = asyncio.get_running_loop().create_task(self._fly(key), name=key)
        task.add_done_callback(lambda ended: self._landed(key, ended))
        self._tasks[key] = task

    async def _fly(self, key: str) -> Result:
        return await self._work(key)

    def _landed(self, key: str, task: asyncio.Task[Result]) -> None:
        """Tell the queue what came of work; a task that was cancelled before its first step lands as well."""
        if self._tasks.pop(key, None) is None:
            return  # everything ends
        if task.cancelled():
            self._take(self.queue.stopped(key, _now_s()))
        elif (error := task.exception()) is None:
            self._done(key, task.result())
        else:
            self._take(self.queue.failed(key, _worded(key, error), _now_s()))

    def _done(self, key: str, result: Result) -> None:
        effects = self.queue.done(key, _now_s())
        for effect in effects:
            if isinstance(effect, Served):
                self._served(effect.key, effect.waiters, result)
        self._take(effects)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (wake_s := self.queue.wake_s) is not None:
            self._timer = asyncio.get_running_loop().call_at(wake_s, self._tick)

    def _tick(self) -> None:
        self._take(self.queue.tick(_now_s()))


def _worded(key: str, error: BaseException) -> BreakbulkError:
    if isinstance(error, BreakbulkError):
        return error
    _LOG.error("work on %s ended in a way that nobody foresaw", key, exc_info=error)
    return BreakbulkError("this should not happen", where=key, why=repr(error))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
