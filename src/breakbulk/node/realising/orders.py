"""What the agent tells the processes that it starts, and what they answer: JSON, an order in, lines out.

Settings travel with the order, over a pipe, as they may hold credentials of a hub: command lines and files are for all
to read. Counterparts: `children`, which starts processes, and the programs `environments`, `collecting`, `merging`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.settings import Settings
from breakbulk.store import linux

__all__ = [
    "AnyOrder",
    "Collect",
    "Merge",
    "Note",
    "Outcome",
    "Progress",
    "Realise",
    "answering",
    "encode",
    "packed",
    "say",
    "unpacked",
]


class Realise(msgspec.Struct, frozen=True, kw_only=True):
    """Make an environment present and write its plan.

    Attributes:
        reference: Pinned to a digest.
        state: Where plans are.
        settings: Of the agent (`packed`).
        pinned: Whether collections spare it until the agent takes that back.
        parent: Process id of the agent.

    """

    reference: str
    state: str
    settings: dict[str, Any]
    pinned: bool = True
    parent: int = 0


class Collect(msgspec.Struct, frozen=True, kw_only=True):
    """Remove what nobody needs.

    Attributes:
        state: Where plans are.
        settings: Of the agent (`packed`).
        free_bytes: Remove no more than it takes to free so many, if that can be.
        history: How many digests of each environment are kept in any case.
        recent_s: Digests that were used within so many seconds are kept, unless that frees too little.
        parent: Process id of the agent.

    """

    state: str
    settings: dict[str, Any]
    free_bytes: int
    history: int
    recent_s: float
    parent: int = 0


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """Have environments mounted in fewer layers.

    Attributes:
        state: Where plans are.
        settings: Of the agent (`packed`).
        targets: `owner/name` and 64 hexadecimal digits of each.
        parent: Process id of the agent.

    """

    state: str
    settings: dict[str, Any]
    targets: list[tuple[str, str]]
    parent: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far it has come: bytes of archives and objects, and what it is about."""

    done_bytes: int
    total_bytes: int
    phase: str


class Note(msgspec.Struct, frozen=True, kw_only=True, tag="note"):
    """Something worth a line."""

    message: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """The last line: what was done, or the fields of the error (`BreakbulkError.as_dict`)."""

    result: dict[str, Any] = {}
    error: dict[str, Any] | None = None


AnyOrder = Realise | Collect | Merge
Order = TypeVar("Order", Realise, Collect, Merge)


def encode(order: AnyOrder) -> bytes:
    """Return the bytes of an order."""
    return msgspec.json.encode(order)


def packed(settings: Settings) -> dict[str, Any]:
    """Return settings as they travel."""
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def unpacked(values: Mapping[str, Any]) -> Settings:
    """Return settings that have travelled; of what this version does not know, nothing."""
    known: dict[str, Any] = {each.name: values[each.name] for each in fields(Settings) if each.name in values}
    paths = {each.name: Path(known[each.name]) for each in fields(Settings) if each.type == "Path"}
    return Settings(**known | paths)


def say(line: Progress | Note | Outcome) -> None:
    """Write a line; an agent that has gone hears nothing."""
    with contextlib.suppress(OSError):
        os.write(1, msgspec.json.encode(line) + b"\n")


def answering(kind: type[Order], work: Callable[[Order], Mapping[str, Any]]) -> None:
    """Read an order from standard input, do it, and say what came of it. Ends with whoever gave it."""
    linux.set_parent_death_signal(signal.SIGKILL)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=kind)
    if os.getppid() != order.parent:
        return
    try:
        outcome = Outcome(result=dict(work(order)))
    except BreakbulkError as error:
        outcome = Outcome(error=error.as_dict())
    except Exception as error:  # noqa: BLE001 - what went wrong is told, whatever it is
        traceback.print_exc()
        outcome = Outcome(error=BreakbulkError("this should not happen", why=repr(error)).as_dict())
    say(outcome)
