"""Messages between the caller's process and process 1 of the sandbox: JSON objects, one a line, over two pipes.

Pipes also carry the most important message of all, without anyone having to send it: their end says that the other
side is dead, however it died.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import msgspec

from breakbulk import errors
from breakbulk.errors import BreakbulkError, PlatformError

__all__ = ["Channel", "Message", "as_message", "rebuilt", "unforeseen"]

Message = dict[str, Any]


class Channel:
    """One side."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self.incoming = incoming
        self._outgoing = outgoing
        self._rest = b""
        self.ended = False
        """Whether the other side is gone."""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return two connected sides; each process closes the one it does not use."""
        to_second, to_first = os.pipe(), os.pipe()
        return cls(to_first[0], to_second[1]), cls(to_second[0], to_first[1])

    def close(self) -> None:
        """Close both pipes of this side in this process."""
        os.close(self.incoming)
        os.close(self._outgoing)

    def send(self, message: Message) -> None:
        """Send a message; nothing happens when nobody is there to read it."""
        line = memoryview(msgspec.json.encode(message) + b"\n")
        with contextlib.suppress(BrokenPipeError):  # the reader's loop finds out by itself
            while line:
                line = line[os.write(self._outgoing, line) :]

    def receive(self) -> list[Message]:
        """Read what is there, waiting for the first byte; return the whole messages. Sets `ended` at the end."""
        data = os.read(self.incoming, 65536)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [msgspec.json.decode(line) for line in lines]


def as_message(error: BreakbulkError) -> Message:
    """Return an error as a message that `rebuilt` understands."""
    return {"class": type(error).__name__, **error.as_dict()}


def unforeseen(error: BaseException) -> Message:
    """Return a message for what nobody has foreseen: a fault of this program, or of the machine below it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else None
    reason = PlatformError("the sandbox cannot go on", identifier="sandbox-failed", where=where, why=repr(error))
    return as_message(reason)


def rebuilt(message: Message) -> BreakbulkError:
    """Return the error of a message."""
    kind: type[BreakbulkError] = getattr(errors, message["class"])
    return kind(
        message["what"],
        identifier=message["error"],
        where=message.get("where"),
        why=message.get("why"),
        hint=message.get("hint"),
    )
