"""Read what a component has written: from a file, or from the command that prints what is in none.

Such a command (`journalctl`, `kubectl logs`) prints what there is and ends; with `--follow` at its end it goes on.
Counterpart: `Driver.log`, which says where a log is.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping

from breakbulk.cluster.commands import Failure, failed
from breakbulk.cluster.model import LogSource
from breakbulk.environment import service_logs

__all__ = ["read", "read_on"]


def read(source: LogSource, lines: int, environment: Mapping[str, str]) -> bytes:
    """Return the last lines of a log; nothing where nothing was written yet.

    Raises:
        ClusterError: `command-failed`, with what the command said.

    """
    if not isinstance(source, tuple):
        return service_logs.tail(source, lines)
    try:
        ended = subprocess.run(source, capture_output=True, stdin=subprocess.DEVNULL, env=environment, check=False)
    except OSError as error:
        raise failed(Failure(source, error.errno or 1, str(error))) from error
    if ended.returncode:
        raise failed(Failure(source, ended.returncode, ended.stderr.decode(errors="replace").strip()))
    return b"".join(ended.stdout.splitlines(keepends=True)[-lines:]) if lines else b""


def read_on(source: LogSource, lines: int, environment: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the last lines and then what is written from now on; a file never ends, a command may.

    How much of the past a command prints first is its own affair. Raises as `read`.
    """
    if isinstance(source, tuple):
        yield from _printed((*source, "--follow"), environment)
        return
    position = source.stat().st_size if source.exists() else 0
    yield read(source, lines, environment)
    yield from service_logs.follow(source, position=position)


def _printed(words: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[bytes]:
    try:
        command = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment)
    except OSError as error:
        raise failed(Failure(words, error.errno or 1, str(error))) from error
    with command:
        try:
            yield from command.stdout or ()
        finally:
            command.terminate()
