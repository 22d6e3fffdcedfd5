"""Blocking work beside the loop: short work of the disk, and questions to a hub, which may hang.

Threads that ask a hub are daemons, so that an agent which is told to end does; whoever is cancelled hears nothing of
its thread any more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["in_daemon"]

P = ParamSpec("P")
Result = TypeVar("Result")


async def in_daemon(function: Callable[P, Result], *arguments: P.args, **options: P.kwargs) -> Result:
    """Call a function in a thread of its own and return what it returns; cancelling leaves the thread to itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def tell(result: Result | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # one of both is there

    def run() -> None:
        try:
            result, error = function(*arguments, **options), None
        except BaseException as caught:  # noqa: BLE001 - it is raised where it is awaited
            result, error = None, caught
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:
            return  # the loop has ended

    threading.Thread(target=run, daemon=True, name="daemon").start()
    return await future
