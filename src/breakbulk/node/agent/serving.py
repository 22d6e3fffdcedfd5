"""The socket on which the runtime handler asks, as `protocol` says: one line of JSON each way.

Root alone may open it, and who is at the other end is looked at nevertheless. Hundreds may wait at once; one that goes
away is no longer waited for. What is asked is somebody's pod, so nothing of it is trusted but its size and form.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from breakbulk.errors import BreakbulkError, ServiceError, UsageError
from breakbulk.node.agent.pods import Pod, pod_of
from breakbulk.node.agent.wording import sentence
from breakbulk.node.protocol import FORMAT, LINE_MAX, peer_is_root, socket_path

__all__ = ["Answers", "serving"]

_LOG = logging.getLogger(__name__)
_ASK_S = 30.0  # whoever asks does so at once, but a machine may be busy
_WITHIN_MAX_S = 240.0  # kubelet gives a sandbox no longer
_CONNECTIONS = 512
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Answers(Protocol):
    """Whoever answers: the agent."""

    async def prepare(self, asked: Pod, within_s: float) -> None:
        """Return when everything that a pod names is here; raise `BreakbulkError` why it is not."""

    def is_ephemeral(self, uid: str, container: str) -> bool:
        """Say whether a container was added by `kubectl debug`."""


@asynccontextmanager
async def serving(
    run: str, answers: Answers, answered: Callable[[str], object] = lambda _: None
) -> AsyncIterator[None]:
    """Answer at the socket of a run directory while the context lasts.

    Args:
        run: The directory.
        answers: Knows the answers.
        answered: Is told `ready`, or the identifier of the error, of every answer.

    Raises:
        ServiceError: `agent-socket-taken`, it cannot be made.

    """
    path = socket_path(run)
    place = asyncio.Semaphore(_CONNECTIONS)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.CancelledError):
            try:
                async with place:
                    if peer_is_root(writer.get_extra_info("socket")):
                        await _converse(reader, writer, answers, answered)
            except OSError as error:
                _LOG.info("a question got no answer: %r", error)

    try:
        server = await _bound(path, connected)
    except OSError as error:
        raise ServiceError(
            "the agent cannot listen for the runtime handler",
            identifier="agent-socket-taken",
            where=path,
            why=error.strerror or str(error),
            hint="run it as root, and one agent for each node",
        ) from error
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(OSError):
            os.unlink(path)


async def _bound(path: str, connected: Connected) -> asyncio.Server:
    """Listen under a name of our own and take the place of whoever listened before, who may have been killed."""
    half = f"{path}~"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(half)
    mask = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(connected, half, limit=LINE_MAX, backlog=_CONNECTIONS)
    finally:
        os.umask(mask)
    os.replace(half, path)
    return server


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Answers, answered: Callable[[str], object]
) -> None:
    async with asyncio.timeout(_ASK_S):
        line = await reader.readline()
    answer = asyncio.ensure_future(_answer(line, answers, answered))
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            writer.write(json.dumps(answer.result()).encode() + b"\n")
            await writer.drain()
    finally:
        for task in (answer, gone):
            task.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)


async def _answer(line: bytes, answers: Answers, answered: Callable[[str], object]) -> dict[str, Any]:
    try:
        question = _question(line)
        if (asked := question.get("ephemeral")) is not None:
            return {"ephemeral": answers.is_ephemeral(str(asked.get("uid", "")), str(asked.get("container", "")))}
        await answers.prepare(_pod(question["prepare"]), _seconds(question.get("within_s")))
    except BreakbulkError as error:
        answered(error.reference)
        return {"ready": False, "error": error.reference, "message": sentence(error), "retry": _helps(error)}
    except asyncio.CancelledError:
        answered("gone")
        raise
    except Exception as error:  # noqa: BLE001 - the handler is told whatever it is
        _LOG.exception("a question was not answered")
        answered("error")
        return {"ready": False, "error": "error", "message": f"this should not happen: {error!r}", "retry": True}
    answered("ready")
    return {"ready": True}


def _question(line: bytes) -> dict[str, Any]:
    try:
        question = json.loads(line)
    except ValueError:
        question = None
    if isinstance(question, dict) and question.get("format") == FORMAT:
        asked = question.get("prepare", question.get("ephemeral"))
        if isinstance(asked, dict):
            return question
    raise UsageError(
        "the agent does not understand the question",
        identifier="agent-question-unknown",
        hint="install the handler and the agent of one version: `breakbulk node install`",
    )


def _pod(asked: Mapping[str, Any]) -> Pod:
    """Return a pod as the runtime knows it, which need not be how the API server does."""
    return msgspec.structs.replace(pod_of({"metadata": asked}), object_uid=None)


def _seconds(value: object) -> float:
    return min(max(float(value), 0.0), _WITHIN_MAX_S) if isinstance(value, int | float) else _WITHIN_MAX_S


def _helps(error: BreakbulkError) -> bool:
    """Say whether it may work when it is tried again: what the pod says does not change by itself."""
    return not isinstance(error, UsageError)
