"""Take in the body of a request: counted, hashed, and given up as soon as it is too large or too slow.

What is large goes to a file of the service's state directory, and nowhere else before its digest is known.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from breakbulk.errors import HubError, StoreError
from breakbulk.hub.service.policy import Received

__all__ = ["clear", "received"]

_IDLE_S = 60.0
_IN_MEMORY_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@asynccontextmanager
async def received(
    parts: AsyncIterator[bytes], announced: int | None, limit_bytes: int, directory: Path, idle_s: float = _IDLE_S
) -> AsyncIterator[Received]:
    """Give the whole body; its file is removed afterwards.

    Args:
        parts: The body as it arrives.
        announced: Content-Length.
        limit_bytes: The most that is taken.
        directory: For files.
        idle_s: Seconds without a byte after which it is given up.

    Raises:
        HubError: `object-too-large`, `upload-incomplete`, `upload-slow`, `hub-full`.

    """
    if announced is not None and announced > limit_bytes:
        raise _too_large(limit_bytes)
    with _Body(directory) as body:
        async for part in _within(parts, idle_s):
            if body.size + len(part) > limit_bytes:
                raise _too_large(limit_bytes)
            await body.append(part)
        if announced is not None and body.size != announced:
            raise HubError(
                "the upload ended early",
                identifier="upload-incomplete",
                why=f"{body.size} of {announced} bytes arrived",
                hint="run the command again",
            )
        yield await body.finished()


def clear(directory: Path) -> None:
    """Make the directory of uploads, and remove what an earlier process left there."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in directory.iterdir():
            left.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            "the directory of uploads cannot be used",
            identifier="service-state",
            where=str(directory),
            why=error.strerror,
            hint="`--state` names another directory; it must be writable by whoever runs the service",
        ) from error


class _Body:
    """What has arrived so far: in memory at first, then in a file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pending = bytearray()
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    async def append(self, part: bytes) -> None:
        self._pending += part
        self.size += len(part)
        if len(self._pending) > _IN_MEMORY_BYTES:
            await asyncio.to_thread(self._spill)

    async def finished(self) -> Received:
        if self._file is None:
            data = bytes(self._pending)
            return Received(data=data, size=self.size, sha256=hashlib.sha256(data).hexdigest())
        await asyncio.to_thread(self._spill)
        return Received(data=Path(self._file.name), size=self.size, sha256=self._digest.hexdigest())

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.NamedTemporaryFile(dir=self._directory)  # noqa: SIM115 - closed by __exit__
            self._digest.update(self._pending)
            self._file.write(self._pending)
            self._file.flush()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise HubError(
                "the hub has no room for uploads",
                identifier="hub-full",
                why=error.strerror,
                hint="tell whoever keeps the hub",
            ) from error
        self._pending.clear()


async def _within(parts: AsyncIterator[bytes], idle_s: float) -> AsyncIterator[bytes]:
    """Yield what arrives, and give up on whoever sends nothing."""
    while True:
        try:
            async with asyncio.timeout(idle_s):
                part = await anext(parts, None)
        except TimeoutError as error:
            raise HubError(
                "the upload stands still",
                identifier="upload-slow",
                why=f"no byte came for {idle_s:.0f} s",
                hint="run the command again",
            ) from error
        if part is None:
            return
        yield part


def _too_large(limit_bytes: int) -> HubError:
    return HubError(
        "the hub takes no object of this size",
        identifier="object-too-large",
        why=f"the most is {limit_bytes} bytes",
        hint="make it smaller, or ask whoever keeps the hub for a higher `--largest-object`",
    )
