"""SIGTERM ends a command as Control-C does: what is half-made is removed, and an error says so.

Without this the kernel ends the process where it stands; that is safe too (the next realisation removes what is left),
but service managers and `timeout(1)` send SIGTERM as a matter of course. A second one ends the process at once. A
command that runs in an environment is not touched by this: `environment.signals` passes SIGTERM on to it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "ending_tidily"]


class Terminated(BaseException):
    """SIGTERM has come. No `Exception`, for the reason that `KeyboardInterrupt` is none."""


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Raise `Terminated` when SIGTERM comes; whoever has it ignored, or handles it, keeps that.

    Of the main thread; elsewhere, as in a program that uses this one as a library, nothing is done.
    """
    owner = os.getpid()

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != owner:  # a fork of ours that has not come to its own signals yet
            signal.raise_signal(number)
        raise Terminated

    try:
        ours = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if ours:
            signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread
        ours = False
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
