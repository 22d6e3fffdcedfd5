"""Named moments of a realisation, so that a test can end the process at each of them and see what is left.

In production nobody observes, and passing one costs a function call. The names are the list in `tests/crash`.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["observe", "passed"]


def _nobody(name: str) -> None:
    pass


_observer: Callable[[str], None] = _nobody


def observe(observer: Callable[[str], None]) -> None:
    """Have `observer` called, in the thread that passes, with the name of every milestone from now on."""
    global _observer  # noqa: PLW0603 - one observer per process is the point
    _observer = observer


def passed(name: str) -> None:
    """Say that a moment has come, such as `record-written`."""
    _observer(name)
