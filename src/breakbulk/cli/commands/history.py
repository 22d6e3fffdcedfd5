"""`breakbulk history`: what happened to an environment of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.recording import change_document, short_digest, who
from breakbulk.cli.rendering import Style, columns, count, human_time, one_line

if TYPE_CHECKING:
    from breakbulk.hub.records import Recorded

__all__ = ["command"]

_HEADER = ("", "GENERATION", "KIND", "WHEN", "WHO", "DIGEST", "MESSAGE")
_RIGHT = frozenset({1})


@declare(
    "history",
    ("breakbulk history ada/tickets", "Show all generations and who made which of them live."),
    ("breakbulk history ada/tickets --limit 5 --commands", "Show the last five changes, with what was typed."),
    environment=False,
)
@click.argument("name", metavar="OWNER/NAME", shell_complete=references.environments)
@click.option("--limit", type=click.IntRange(min=1), help="Show only the newest so many changes.")
@click.option("--commands", is_flag=True, help="Show the command that was typed for each.")
def command(invocation: Invocation, name: str, limit: int | None, commands: bool) -> None:
    """Show what happened to an environment of the hub, the newest first.

    A push allots a generation and makes it live; a switch or rollback makes an earlier one live. The generation marked
    with * is live now. The history is checked: each change names the digest of the one before.
    """
    from breakbulk.hub.names import parse_reference

    environment = parse_reference(name).environment
    changes = invocation.hub.history(environment, newest=limit)[::-1]
    newest = changes[0].change
    document = {
        "environment": environment,
        "hub": invocation.hub.url,
        "live": newest.generation,
        "generations": newest.generations,
        "changes": [change_document(recorded) for recorded in changes],
    }
    invocation.show(document, lambda: _text(changes, invocation.style, commands=commands))


def _text(changes: Sequence[Recorded], look: Style, *, commands: bool) -> str:
    newest = changes[0].change
    lines = columns(_HEADER, (_row(recorded, newest.number) for recorded in changes), look, right=_RIGHT).splitlines()
    if commands:
        typed = [look.faint(f"     $ {one_line(recorded.change.command, 200)}") for recorded in changes]
        lines[1:] = [line for pair in zip(lines[1:], typed, strict=True) for line in pair]
    more = newest.number - len(changes)
    earlier = f"; {count(more, 'earlier change')} not shown" if more else ""
    total = f"{count(newest.generations, 'generation')}, {newest.generation} is live{earlier}"
    return "\n".join([*lines, look.faint(total)])


def _row(recorded: Recorded, newest: int) -> tuple[str, ...]:
    change = recorded.change
    return (
        "*" if change.number == newest else "",
        str(change.generation),
        change.kind,
        human_time(change.time, datetime.now(UTC)),
        who(change),
        short_digest(change.digest),
        one_line(change.message),
    )
