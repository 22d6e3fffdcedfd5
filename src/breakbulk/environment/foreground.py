"""Run one program after the other for the caller: the hook, then the command. Inside, in process 1.

The program gets the caller's standard streams and, as own job, a process group and the terminal (`terminal` is the
other side). Signals for it come as messages; that it has stopped is told by one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Mapping, Sequence

from breakbulk.environment import signals
from breakbulk.environment.channel import Channel
from breakbulk.environment.lookup import unexecutable
from breakbulk.environment.reactor import Reactor
from breakbulk.environment.signals import ExitStatus

__all__ = ["Foreground", "Interrupted"]

_ENDING = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}


class Interrupted(Exception):  # noqa: N818 - it is no fault
    """A signal that ends programs came while none was running; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Foreground:
    """The one program that the caller is waiting for.

    Args:
        reactor: Of this process.
        channel: To the caller's process.
        mask: Signal mask of programs.
        own_job: See `terminal`.
        has_terminal: Whether programs take the terminal; changes while they run.

    """

    def __init__(
        self,
        reactor: Reactor,
        channel: Channel,
        mask: signals.Mask,
        *,
        own_job: bool,
        has_terminal: bool,
    ) -> None:
        self._reactor = reactor
        self._channel = channel
        self._mask = mask
        self._own_job = own_job
        self._has_terminal = has_terminal
        self._child: int | None = None
        self._status = ExitStatus()
        self.interrupted: int | None = None
        """The last signal that came while no program was running and that would have ended one."""

    def run(self, argv: Sequence[str], environment: Mapping[str, str], *, name: str | None = None) -> ExitStatus:
        """Run the program `argv[0]` to its end and return its status as a shell gives it.

        Args:
            argv: Path of the program, and arguments.
            environment: All of its variables.
            name: What it finds as its own name, by default its path.

        Raises:
            CommandNotExecutableError: The kernel refuses to execute it.
            Interrupted: Instead of starting it.

        """
        self.check_interrupted()
        self._child = self._start(argv[0], [name or argv[0], *argv[1:]], environment)
        self._reactor.run_until(lambda: self._child is None)
        return self._status

    def check_interrupted(self) -> None:
        """Raise `Interrupted` when a signal asked for the end."""
        if self.interrupted is not None:
            raise Interrupted(self.interrupted)

    def take(self, message: dict[str, object]) -> None:
        """Act on a message of the caller's process: a signal to pass on, or to go on in its job."""
        if "signal" in message:
            self._pass_on(int(str(message["signal"])), whole_job=bool(message["job"]))
        elif "continue" in message:
            self._has_terminal = bool(message["continue"])
            self._give_terminal()
            self._pass_on(signal.SIGCONT, whole_job=self._own_job)

    def _pass_on(self, number: int, *, whole_job: bool) -> None:
        if self._child is None:
            self.interrupted = number if number in _ENDING else self.interrupted
            return
        with contextlib.suppress(ProcessLookupError):  # it has ended, but has not been reaped yet
            if whole_job and self._own_job:
                os.killpg(self._child, number)
            else:
                os.kill(self._child, number)

    def _give_terminal(self) -> None:
        if self._own_job and self._has_terminal and self._child is not None:
            with contextlib.suppress(OSError):  # it has ended, or the terminal is gone
                os.tcsetpgrp(0, self._child)

    def _start(self, program: str, argv: list[str], environment: Mapping[str, str]) -> int:
        refused, told = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self._become(program, argv, environment)
            except OSError as error:
                os.write(told, str(error.errno).encode())
            finally:
                os._exit(127)
        os.close(told)
        self._reactor.expect(child, self._ended)
        try:
            if number := os.read(refused, 16):
                raise unexecutable(program, int(number))
        finally:
            os.close(refused)
        return child

    def _become(self, program: str, argv: list[str], environment: Mapping[str, str]) -> None:
        if self._own_job:
            os.setpgid(0, 0)
            if self._has_terminal:
                with contextlib.suppress(OSError):  # the terminal was hung up meanwhile
                    os.tcsetpgrp(0, os.getpid())
        signals.as_program_expects(self._mask)
        try:
            os.execve(program, argv, environment)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
        os.execve("/bin/sh", ["/bin/sh", program, *argv[1:]], environment)

    def _ended(self, status: int) -> None:
        if os.WIFSTOPPED(status):
            self._channel.send({"stopped": os.WSTOPSIG(status)})
            return
        self._child = None
        self._status = ExitStatus.of_wait(status)
