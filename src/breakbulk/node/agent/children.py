"""Processes of the agent: started with an order, listened to, ended with everything they have started.

Guarantees: a child is in a session of its own, and dies with the agent however that ends; whoever cancels `run_child`
ends it at once, as the store may be left at any moment; when that returns or raises, no process of it is left.
Counterpart: `orders`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from breakbulk.errors import BreakbulkError, StoreError
from breakbulk.node.agent.wording import error_of
from breakbulk.node.realising.orders import AnyOrder, Note, Outcome, Progress, encode

__all__ = ["run_child"]

_LOG = logging.getLogger(__name__)
_LINE_MAX = 1 << 20
_LINES = msgspec.json.Decoder(Progress | Note | Outcome)


async def run_child(
    program: str, order: AnyOrder, progress: Callable[[Progress], object] = lambda _: None
) -> dict[str, Any]:
    """Give an order to a process and return what it has done.

    Args:
        program: Module with a `main` section.
        order: What it is to do.
        progress: Is told how far it has come.

    Raises:
        BreakbulkError: What it raised; `StoreError` `realisation-died` when it ended without a word.

    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=_LINE_MAX,
    )
    try:
        await _give(process, msgspec.structs.replace(order, parent=os.getpid()))
        outcome = await _listen(process, progress)
        status = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it, or what it has left when it ended by itself
        await process.wait()
    if outcome is None:
        raise _died(status)
    if outcome.error is not None:
        raise error_of(outcome.error)
    return outcome.result


async def _give(process: asyncio.subprocess.Process, order: AnyOrder) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with contextlib.suppress(OSError):
        process.stdin.write(encode(order))
        await process.stdin.drain()
    process.stdin.close()


async def _listen(process: asyncio.subprocess.Process, progress: Callable[[Progress], object]) -> Outcome | None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    outcome = None
    async for line in process.stdout:
        match _decoded(line):
            case Progress() as told:
                progress(told)
            case Note(message=message):
                _LOG.info("%s", message)
            case Outcome() as told:
                outcome = told
    return outcome


def _decoded(line: bytes) -> Progress | Note | Outcome | None:
    try:
        decoded: Progress | Note | Outcome = _LINES.decode(line)
    except msgspec.DecodeError:
        _LOG.warning("a process of ours said something else: %r", line[:200])
        return None
    return decoded


def _died(status: int) -> BreakbulkError:
    killed = f"signal {-status}" if status < 0 else f"status {status}"
    return StoreError(
        "the process that realises ended before its work",
        identifier="realisation-died",
        why=f"it ended with {killed}",
        hint="see the agent's log; signal 9 means that memory was short: give the agent more, or set BREAKBULK_JOBS=1",
    )
