"""The caller's side of job control: who has the terminal, and stopping together with the command.

Two ways, chosen at the start:

- *own job*: standard input and output are the controlling terminal. The command gets a process group of its own and
  the terminal, as from a shell. Keys reach it alone; when it stops, the caller's whole job stops, so that the outer
  shell notices; when the job continues, the command gets the terminal back.
- *shared job*: anything else, for example one end of a pipeline. The command stays in the caller's group, so that
  `breakbulk run -- producer | less` leaves the terminal to `less`. Keys reach caller and command alike.

Source: credentials(7), the job control chapter of the GNU C library's manual. SIGTTOU must be held back (`signals`).
"""

from __future__ import annotations

import os
import signal

__all__ = ["Terminal"]


class Terminal:
    """The terminal as the caller sees it; not `wanted` by what has no person before it."""

    def __init__(self, *, wanted: bool = True) -> None:
        self.own_job = wanted and _foreground_group() is not None and os.isatty(1)
        self._given = False

    @property
    def foreground(self) -> bool:
        """Whether the caller's job has the terminal and may give it to the command."""
        return self.own_job and _foreground_group() == os.getpgrp()

    def give(self) -> bool:
        """Say whether the command takes the terminal now."""
        self._given = self.foreground or self._given
        return self._given

    def suspend(self) -> None:
        """Stop this process as the command has stopped, and return when it continues.

        A stop that nobody could undo, as there is no shell that looks after this job, is ignored by the kernel.
        """
        self._given = False
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
        os.kill(0 if self.own_job else os.getpid(), signal.SIGTSTP)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP})

    def take_back(self) -> None:
        """Have the terminal again after the command, unless another job has it by now."""
        if self._given and _foreground_group() is not None:
            os.tcsetpgrp(0, os.getpgrp())
        self._given = False

    def tell_job(self, number: int) -> None:
        """Let the rest of the caller's job (make, a script) know of the key that ended the command."""
        if self.own_job:
            os.kill(0, number)


def _foreground_group() -> int | None:
    """Return the process group that has the terminal; None when standard input is no terminal of ours (any more)."""
    try:
        return os.tcgetpgrp(0)
    except OSError:
        return None
