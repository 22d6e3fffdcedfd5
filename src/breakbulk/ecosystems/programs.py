"""Run a program of others, uv or git, to its end; with us, or with the wish for it, all that it started ends too.

uv starts build back ends, those start compilers, and some of them move to process groups of their own or outlive their
parents; none heeds the signal that ends us. Each program therefore gets a session (setsid(2)), by which all of its
processes are found, but those that leave it to become daemons. Having no terminal, it can ask nobody anything.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

__all__ = ["run_program"]

_PATIENCE_MS = 5000
"""How long a killed process is waited for: one that hangs in the kernel must not keep us."""


def run_program(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
    standard_input: str = "",
    errors: str = "replace",
) -> subprocess.CompletedProcess[str]:
    """Run `argv` and return how it ended, with its output; raise `OSError` when it cannot be started.

    An exception here (Control-C) ends all its processes, and so does the end of the interpreter, which does not wait
    for threads that wait for programs (`side_by_side`). `errors` says how output is read that is no text.
    """
    process = subprocess.Popen(
        list(argv),
        env=environment,
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors=errors,
        start_new_session=True,
    )
    end = partial(_end_session, process.pid)
    atexit.register(end)
    try:
        with process:
            try:
                output, complaints = process.communicate(standard_input)
            except BaseException:
                end()
                raise
    finally:
        atexit.unregister(end)
    return subprocess.CompletedProcess(process.args, process.returncode, output, complaints)


def _end_session(session: int) -> None:
    """Kill all processes of a session and wait until they have ended; those that are born meanwhile as well."""
    while handles := [handle for process in _members(session) if (handle := _killed(process, session)) is not None]:
        gone = [_gone(handle) for handle in handles]
        if not all(gone):
            return


def _gone(handle: int) -> bool:
    """Wait for the end of a process that has been killed, and say whether it came; closes the descriptor."""
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    try:
        return bool(waiting.poll(_PATIENCE_MS))
    finally:
        os.close(handle)


def _members(session: int) -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit() and _is_member(int(name), session):
            yield int(name)


def _is_member(process: int, session: int) -> bool:
    """Tell whether a process lives and is in a session: fields 3 and 6 of proc_pid_stat(5)."""
    try:
        state, _, _, its_session = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[:4]
    except (OSError, ValueError):
        return False
    return int(its_session) == session and state not in {b"Z", b"X"}


def _killed(process: int, session: int) -> int | None:
    """Kill a process and return the descriptor that tells its end (pidfd_open(2)), None when it is not ours to kill."""
    try:
        handle = os.pidfd_open(process)
    except OSError:
        return None
    try:
        if _is_member(process, session):  # the number may have gone to another process since
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return handle
    except OSError:
        pass
    os.close(handle)
    return None
