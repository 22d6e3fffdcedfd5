"""`breakbulk search`: find packages by words, printed so that they can be installed by pasting a line."""

from __future__ import annotations

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation

__all__ = ["command"]


@declare(
    "search",
    ("breakbulk search json processor", "Find Debian packages with both words in name or description."),
    ("breakbulk search pandas --limit 5", "Show only the first five."),
)
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to show at most.")
def command(invocation: Invocation, words: tuple[str, ...], limit: int) -> None:
    """Find packages.

    Debian packages are searched by name and description; of a Python index only exact names can be asked for. Each
    line can be pasted to install the package.
    """
    raise NotImplementedError
