"""Processes of a native cluster: started so that they outlive us, found again by the group that they are in.

A process joins its control groups before it becomes the program, so there is no moment at which it could be lost;
nothing is written down. Which process of a group is the program itself, and none of its children, is told by its
executable and its age. None is ever looked for by name alone, nor signalled by a number that could be another's by now.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.errors import ClusterError

__all__ = ["find", "has_ended", "last_lines", "launch", "started_at", "stop"]

_JOIN = """\
ulimit -n "$(ulimit -H -n)"
while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done
shift
env --default-signal "$@" &
"""
"""What runs first: it joins every group (`0` is whoever writes), then leaves the program to the machine's process 1.

Shells have what they put into the background ignore interrupts, and containers would inherit that.
"""

_START_TIME = 19
"""Of the fields after the name, in clock ticks since the machine started; proc_pid_stat(5)."""


def launch(
    arguments: Sequence[str],
    *,
    hierarchies: Hierarchies,
    group: str,
    log: Path,
    environment: Mapping[str, str],
    namespace: Path | None = None,
) -> None:
    """Start a program in a group, and in a network namespace where one is given; it appends to `log`.

    Raises:
        ClusterError: `component-failed`: it cannot join its groups.
        OSError: There is no shell, or the log cannot be written.

    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entrances = [str(path) for path in hierarchies.entrances(group)]
    enter = ["nsenter", f"--net={namespace}", "--"] if namespace else []
    with log.open("ab") as output:
        status = subprocess.run(
            ["/bin/sh", "-c", _JOIN, "breakbulk", *entrances, "--", *enter, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
            check=False,
        ).returncode
    if status:
        raise ClusterError(
            f"{Path(arguments[0]).name} cannot be started",
            identifier="component-failed",
            where=f"control group {group}",
            why=last_lines(log, 1),
        )


def find(hierarchies: Hierarchies, group: str, program: Path) -> int | None:
    """Return the process that runs a program in a group, None when there is none."""
    name = program.resolve().name
    running = [process for process in hierarchies.members(group) if _executable(process) == name]
    return min(running, key=lambda process: started_at(process) or 0, default=None)


def started_at(process: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did, None when it has ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in {"Z", "X"} else int(fields[_START_TIME])
    return None


def has_ended(process: int) -> bool:
    """Say whether nothing runs under this number, be it that nobody has waited for it yet."""
    return started_at(process) is None


def stop(process: int, *, timeout_s: float = 20.0) -> None:
    """Ask a process to end, kill it when it has not after a while, and return when it is gone; raise `OSError`."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        for number, patience_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, timeout_s)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], patience_s)[0]:
                return
    finally:
        os.close(descriptor)


def last_lines(log: Path, count: int = 5) -> str:
    """Return the last lines of a log in one, for an error; empty when there are none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return " | ".join(line.strip()[:400] for line in lines[-count:])


def _executable(process: int) -> str:
    try:
        return Path(f"/proc/{process}/exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return ""
