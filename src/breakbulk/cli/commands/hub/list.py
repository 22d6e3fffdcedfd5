"""`breakbulk hub list`: the environments of a hub, from its index alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from msgspec import structs

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, columns, count, human_age, one_line

if TYPE_CHECKING:
    from breakbulk.hub.records import Summary

__all__ = ["command"]

_HEADER = ("ENVIRONMENT", "LIVE", "OF", "PACKAGES", "CHANGED", "BY", "MESSAGE")
_RIGHT = frozenset({1, 2, 3})


@declare(
    "list",
    ("breakbulk hub list", "Show all environments of the hub."),
    ("breakbulk hub list airflow postgres", "Show those in which both words occur."),
    environment=False,
)
@click.argument("words", nargs=-1, metavar="[WORD...]")
def command(invocation: Invocation, words: tuple[str, ...]) -> None:
    """Show the environments of the hub, or those in which every WORD occurs.

    Words are looked for in owner and name, in what is installed, in the message of the push and its author; those whose
    name fits come first.
    """
    from breakbulk.hub import index
    from breakbulk.hub.searching import search

    hub = invocation.hub
    found = search(index.read(hub.objects), words)
    invocation.show(
        lambda: {"hub": hub.url, "environments": list(map(structs.asdict, found))},
        lambda: _text(found, words, hub.url, invocation.style),
    )


def _text(found: Sequence[Summary], words: Sequence[str], hub: str, look: Style) -> str:
    if not found:
        where = f"on {hub}"
        return f"no environment {where} has {' and '.join(words)}" if words else f"no environments {where} yet"
    now = datetime.now(UTC)
    table = columns(_HEADER, (_row(summary, now) for summary in found), look, right=_RIGHT)
    total = f"{count(len(found), 'environment')} on {hub}"
    return f"{table}\n{look.faint(total)}"


def _row(summary: Summary, now: datetime) -> tuple[str, ...]:
    return (
        summary.environment,
        str(summary.generation),
        str(summary.generations),
        str(summary.packages),
        human_age((now - summary.time).total_seconds()),
        one_line(summary.author, 24),
        one_line(summary.message, 48),
    )
