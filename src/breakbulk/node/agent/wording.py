"""Errors and sizes as they travel: to the handler, into events, and back from processes of the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakbulk.errors import BreakbulkError

__all__ = ["amount", "error_of", "sentence"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def sentence(error: BreakbulkError) -> str:
    """Return `what; where; why; fix: ...` on one line, without the identifier."""
    text = str(error).removeprefix(f"{error.reference}: ")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def error_of(fields: Mapping[str, Any]) -> BreakbulkError:
    """Return the error whose fields (`BreakbulkError.as_dict`) another process has told."""
    return BreakbulkError(
        str(fields.get("what", "")),
        identifier=str(fields.get("error", "error")),
        where=fields.get("where"),
        why=fields.get("why"),
        hint=fields.get("hint"),
    )


def amount(size_bytes: float) -> str:
    """Return a size as people write it."""
    power = min(len(str(int(size_bytes))) - 1, 14) // 3
    scaled = size_bytes / 1000**power
    return f"{scaled:.1f} {_UNITS[power]}" if power and scaled < 10 else f"{scaled:.0f} {_UNITS[power]}"
