"""The process above one service: it keeps the service's processes together, however they fork.

As a child subreaper it inherits every orphan of the service, so it knows when the last one has ended and can end them
all; process groups do not suffice, as daemons leave theirs. Started by `supervisor`; it ends with the service's
status. SIGTERM asks the service to end, SIGUSR2 kills it; a byte on `report` says that a daemon has been left behind.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from breakbulk.environment import signals
from breakbulk.store import linux

__all__ = ["become", "descendants", "tend"]

_LEFTOVER_GRACE_S = 10.0
_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR2}


def tend(
    argv: Sequence[str],
    environment: Mapping[str, str],
    directory: str,
    *,
    is_daemon: bool,
    output: int,
    report: int,
    mask: signals.Mask,
) -> NoReturn:
    """Run a service to its end; called in a forked child, in which `signals.HELD` are held back.

    Args:
        argv: Path of the program, and arguments.
        environment: All of its variables.
        directory: Where it starts.
        is_daemon: Whether the command leaves a daemon behind.
        output: Descriptor for its standard output and error.
        report: Descriptor to tell of the daemon.
        mask: Signal mask of programs.

    """
    status = 127
    try:
        linux.set_process_name("breakbulk-serve")
        linux.set_child_subreaper()
        linux.set_parent_death_signal(signal.SIGKILL)
        os.setsid()
        _close_all_but({0, 1, 2, output, report})
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        child = os.fork()
        if child == 0:
            become(argv, environment, directory, output, mask)
        os.close(output)
        status = _Flock(child, report, is_daemon=is_daemon).watch(linux.signalfd(_WATCHED))
    finally:
        os._exit(status)


def _close_all_but(kept: set[int]) -> None:
    """Close what the supervisor has open: it waits for the ends of pipes and connections, and so do others."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with contextlib.suppress(OSError):  # the one that listed the directory
                os.close(int(name))


def become(
    argv: Sequence[str], environment: Mapping[str, str], directory: str, output: int, mask: signals.Mask
) -> NoReturn:
    """Execute a program as the leader of a process group, without input, `output` taking what it writes."""
    try:
        linux.set_parent_death_signal(signal.SIGKILL)
        os.setpgid(0, 0)
        with open("/dev/null", "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(directory)
        signals.as_program_expects(mask)
        os.execve(argv[0], list(argv), environment)
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be executed: {error}\n".encode())
    finally:
        os._exit(127)


class _Flock:
    """The processes of one service."""

    def __init__(self, main: int, report: int, *, is_daemon: bool) -> None:
        self._main = main
        self._report = report
        self._is_daemon = is_daemon
        self._main_status: int | None = None
        self._last_status = 0
        self._left_behind = False
        self._kill_at: float | None = None

    def watch(self, signal_descriptor: int) -> int:
        """Return the service's status once its last process has ended: the main one's, or the daemon's."""
        poll = select.poll()
        poll.register(signal_descriptor, select.POLLIN)
        while not self._reap():
            poll.poll(None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic()) * 1000)
            for arrived in signals.read(signal_descriptor):
                if arrived.number == signal.SIGTERM:
                    self._ask_to_end()
                elif arrived.number == signal.SIGUSR2:
                    self._kill_at = 0.0
            if self._kill_at is not None and self._kill_at <= time.monotonic():
                self._signal_all(signal.SIGKILL)
                self._kill_at = time.monotonic() + 0.1  # whatever was being forked meanwhile
        return self._last_status if self._left_behind else self._main_status or 0

    def _reap(self) -> bool:
        """Take ended processes; tell whether none is left."""
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if child == 0:
                return False
            self._last_status = signals.status_code(status)
            if child == self._main:
                self._take_main_end()

    def _take_main_end(self) -> None:
        self._main_status = self._last_status
        if self._is_daemon and self._main_status == 0:
            self._left_behind = True
            os.write(self._report, b"f")
        elif self._kill_at is None:
            self._ask_to_end()
            self._kill_at = time.monotonic() + _LEFTOVER_GRACE_S

    def _ask_to_end(self) -> None:
        if self._main_status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._main, signal.SIGTERM)
        else:
            self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: int) -> None:
        for process in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def descendants(ancestor: int) -> list[int]:
    """Return the processes below `ancestor`, parents before children."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Yield (process, parent) for every process in sight; `man 5 proc_pid_stat`, field 4."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{name}/stat", "rb") as file:
                yield int(name), int(file.read().rpartition(b")")[2].split()[1])
