"""Errors and sizes as they travel: to the handler, into events, and back from processes of the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakbulk.errors import BreakbulkError

__all__ = ["Estimate", "amount", "error_of", "sentence", "waiting"]

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


def waiting(running: int) -> str:
    """Return why a realisation waits while so many others run; none do while the store is tidied."""
    match running:
        case 0:
            return "waiting until packages that nobody needs are removed"
        case 1:
            return "waiting, as another is realised first"
        case _:
            return f"waiting, as {running} others are realised first"


class Estimate:
    """How far a realisation has come, and how long the rest takes at the pace so far.

    Args:
        begun_s: When it began, by any clock that `words` is told of as well.

    """

    def __init__(self, begun_s: float) -> None:
        self._begun_s = begun_s
        self._done_bytes = self._total_bytes = 0
        self._phase = ""

    def progressed(self, done_bytes: int, total_bytes: int, phase: str) -> None:
        """Take in how far it is."""
        self._done_bytes, self._total_bytes, self._phase = done_bytes, total_bytes, phase

    @property
    def left_s(self) -> float | None:
        """Seconds of the rest for each second so far; None while nobody can tell."""
        done, total = self._done_bytes, self._total_bytes
        return (total - done) / done if done and total >= done else None

    def words(self, now_s: float) -> str:
        """Return `120 MB of 800 MB, about 40 s left`."""
        if not self._total_bytes:
            return "being realised"
        left = "" if self.left_s is None else f", about {max(self.left_s * (now_s - self._begun_s), 1):.0f} s left"
        said = f"{amount(self._done_bytes)} of {amount(self._total_bytes)} are here"
        return said + (left if self._done_bytes < self._total_bytes else ", unpacking")
