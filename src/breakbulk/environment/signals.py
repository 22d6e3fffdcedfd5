"""Signals as things to read, so that a loop takes them in turn with everything else it waits for.

A process that runs a command holds back (blocks) what it passes on, and reads it from a descriptor (`signalfd(2)`):
nothing is interrupted half-way, and the kernel tells whether a signal came from the terminal or from a process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
from collections.abc import Iterator
from typing import NamedTuple, Self

from breakbulk.store import linux

__all__ = ["FORWARDED", "HELD", "Arrived", "ExitStatus", "Mask", "as_program_expects", "held", "read", "status_code"]

FORWARDED = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGWINCH,
        signal.SIGTSTP,
        signal.SIGCONT,
    }
)
"""Passed on to the command."""

HELD = FORWARDED | {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}
"""Held back. With SIGTTOU held back, a background process may give the terminal away: tcsetpgrp(3)."""

Mask = set[signal.Signals]
"""Signals that are held back; what programs are started with is the caller's own."""

_RECORD = struct.Struct("=Iii116x")  # struct signalfd_siginfo: ssi_signo, ssi_errno, ssi_code, and what we do not need
_SI_KERNEL = 0x80


class Arrived(NamedTuple):
    """A signal that came; `from_terminal` when a key press or the terminal's end made it, for its whole job."""

    number: int
    from_terminal: bool


@contextlib.contextmanager
def held() -> Iterator[tuple[int, Mask]]:
    """Hold back `HELD`; yield the descriptor to read them from, and the mask to start programs with."""
    before = {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, HELD)}
    on_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # were it ignored, children would vanish untold
    descriptor = linux.signalfd(HELD)
    try:
        yield descriptor, before
    finally:
        os.close(descriptor)
        signal.signal(signal.SIGCHLD, on_child)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def read(descriptor: int) -> list[Arrived]:
    """Return the signals that have come since, without waiting."""
    try:
        data = os.read(descriptor, _RECORD.size * 32)
    except BlockingIOError:
        return []
    return [Arrived(number, code == _SI_KERNEL) for number, _error, code in _RECORD.iter_unpack(data)]


def as_program_expects(mask: Mask) -> None:
    """Undo, in a child, what Python and this module did to signals: programs inherit masks and ignored signals."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by Python itself
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class ExitStatus(int):
    """An exit status as a shell gives it: the exit code, or 128 and the number of the signal that ended the program.

    Attributes:
        signal: That signal, None where the program ended itself, though it be with such a number.

    """

    signal: int | None = None

    @classmethod
    def of_wait(cls, status: int) -> Self:
        """Return what a wait status says, see wait(2)."""
        return cls(os.WEXITSTATUS(status)) if os.WIFEXITED(status) else cls.of_signal(os.WTERMSIG(status))

    @classmethod
    def of_signal(cls, number: int) -> Self:
        """Return the status of a program that a signal ended."""
        status = cls(128 + number)
        status.signal = number
        return status


def status_code(status: int) -> int:
    """Return a wait status as a shell gives it, a number for messages."""
    return int(ExitStatus.of_wait(status))
