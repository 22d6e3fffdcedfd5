"""Run a command in an environment: the caller's side.

Three processes: the caller's, which waits and passes signals on (`attendance`); one between, which enters the
namespaces (`passage`); and process 1 of the new process namespace (`process_one`), which does the work. Each dies with
the one above it, and with process 1 the kernel ends the rest: whichever is killed, and however, no process, mount or
directory stays.

`run` forks and must be called from a process with one thread; that process is otherwise left as it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from breakbulk.environment import passage, signals
from breakbulk.environment.attendance import Attendance
from breakbulk.environment.channel import Channel, Message
from breakbulk.environment.process_one import Birth
from breakbulk.environment.signals import ExitStatus
from breakbulk.environment.specification import Launch
from breakbulk.environment.terminal import Terminal
from breakbulk.environment.visibility import view
from breakbulk.reporting import SILENT, Reporter
from breakbulk.store import namespaces

__all__ = ["run"]


def run(launch: Launch, reporter: Reporter = SILENT, on_settled: Callable[[Message], None] | None = None) -> ExitStatus:
    """Run the command and return its exit status: as a shell gives it, so 128 and the number for a signal.

    Args:
        launch: What to run, in what.
        reporter: Hears of services and of a failed `hook.on-deactivate`.
        on_settled: Called when the services of a `detached` run have started or failed; see `supervisor`.

    Raises:
        BreakbulkError: The command has not run: see `visibility`, `mounting`, `hooks`, `lookup`, `supervisor` for
            what each raises; `user-namespaces-unavailable` and `overlay-unavailable` where the kernel refuses.

    """
    visible = view(launch)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # what is buffered would be written by each process that ends
    with signals.held() as (signal_descriptor, mask):
        terminal = Terminal(wanted=not launch.detached)
        ours, theirs = Channel.pair()
        birth = Birth(
            launch=launch,
            view=visible,
            channel=theirs,
            signal_descriptor=signal_descriptor,
            mask=mask,
            umask=_umask(),
            user=namespaces.needs_user_namespace(),
            own_job=terminal.own_job,
            has_terminal=terminal.give(),
        )
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            ours.close()
            passage.enter(birth, parent)
        theirs.close()
        try:
            return Attendance(ours, terminal, signal_descriptor, reporter, on_settled).wait(child)
        finally:
            ours.close()
            terminal.take_back()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
