"""Start a command or a shell in an environment: what `run` and `shell` have in common.

The progress display is taken away before the command gets the terminal, also because the library forks and must be
called from a process with one thread.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from breakbulk.cli.invocation import Invocation

__all__ = ["launched"]


def launched(
    invocation: Invocation,
    command: Sequence[str] | None,
    *,
    services: Sequence[str] = (),
    mounts: Sequence[str] = (),
    pure: bool = False,
    network: bool = True,
    frozen: bool = False,
) -> int:
    """Realise the environment, run `command` (None: a shell) in it, and return its exit status."""
    environment = invocation.runnable(frozen=frozen)
    realised = environment.realise()
    invocation.close()
    started = time.monotonic()
    with _output_for_document(invocation):
        status = environment.launch(
            command, services=services, mounts=mounts, pure=pure, network=network, realised=realised
        )
    if invocation.json:
        seconds = round(time.monotonic() - started, 3)
        invocation.print_json({"command": command, "exit_code": int(status), "seconds": seconds})
    return status


@contextmanager
def _output_for_document(invocation: Invocation) -> Iterator[None]:
    """With `--json`, send what the command writes to standard output to standard error instead."""
    if not invocation.json:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
