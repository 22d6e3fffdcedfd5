"""How long work tells of its progress without knowing who watches.

The library reports to a `Reporter`; the command line draws bars on a terminal or prints plain lines, tests record, and
a program that does not care passes nothing (`SILENT`). All methods may be called from several threads.
"""

from __future__ import annotations

from typing import Literal, Protocol

__all__ = ["SILENT", "Reporter", "Task", "Unit"]

Unit = Literal["bytes", "packages", "steps"]


class Task(Protocol):
    """One piece of work in progress."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units are done (negative when a transfer starts again)."""

    def grow(self, amount: int) -> None:
        """Say that the total is `amount` units larger than announced."""

    def finish(self) -> None:
        """Say that the work has ended, however it ended."""


class Reporter(Protocol):
    """Whoever watches."""

    def begin(self, title: str, *, total: int | None = None, unit: Unit = "steps") -> Task:
        """Start a piece of work of `total` units, None when nobody knows."""

    def note(self, message: str) -> None:
        """Tell something worth a line: a decision, a warning, a retry."""


class _SilentTask:
    def advance(self, amount: int = 1) -> None:
        pass

    def grow(self, amount: int) -> None:
        pass

    def finish(self) -> None:
        pass


class _Silent:
    def __repr__(self) -> str:
        return "SILENT"

    def begin(self, title: str, *, total: int | None = None, unit: Unit = "steps") -> Task:  # noqa: ARG002
        return _SilentTask()

    def note(self, message: str) -> None:
        pass


SILENT: Reporter = _Silent()
