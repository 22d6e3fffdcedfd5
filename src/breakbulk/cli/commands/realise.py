"""`breakbulk realise`: fetch and unpack what an environment needs, without running anything."""

from __future__ import annotations

import time

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import human_duration

__all__ = ["command"]


@declare(
    "realise",
    ("breakbulk realise", "Make the first `breakbulk run` start at once."),
    ("breakbulk realise --locked -e examples/hello", "Do so for another directory, and never change its lock."),
)
@click.option("--locked", is_flag=True, help="Fail instead of locking when the lock is out of date.")
def command(invocation: Invocation, locked: bool) -> None:
    """Fetch every package of the environment into this machine's store.

    `breakbulk run` does the same by itself; this is for doing it beforehand. It may be interrupted at any time and goes
    on where it was.
    """
    environment = invocation.environment(frozen=locked)
    started = time.monotonic()
    realised = environment.realise()
    seconds = time.monotonic() - started
