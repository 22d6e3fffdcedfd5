"""`breakbulk realise`: fetch and unpack what an environment needs, without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import count, human_duration, human_size

if TYPE_CHECKING:
    from breakbulk.store.realise import Realised

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
    realised = invocation.runnable(frozen=locked).realise()
    document = {
        "store": invocation.settings.store,
        "packages": realised.packages,
        "made": realised.made,
        "bytes_downloaded": realised.bytes_downloaded,
        "seconds": realised.seconds,
    }
    invocation.report(document, lambda: _text(realised))
    invocation.suggest("breakbulk run -- COMMAND")


def _text(realised: Realised) -> str:
    packages = count(realised.packages, "package")
    if not realised.made:
        return f"all {packages} were there already"
    spent = human_duration(realised.seconds["total"])
    return f"made {realised.made} of {packages} in {spent}, {human_size(realised.bytes_downloaded)} downloaded"
