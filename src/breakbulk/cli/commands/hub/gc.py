"""`breakbulk hub gc`: remove from a hub what no generation of any environment can reach."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.quantities import Span
from breakbulk.cli.rendering import count, human_size

if TYPE_CHECKING:
    from breakbulk.hub.collection import HubCollected

__all__ = ["command"]


@declare(
    "gc",
    ("breakbulk hub gc --dry-run", "Show how much nobody can reach."),
    ("breakbulk hub gc", "Remove it, but what came in the last 24 hours."),
    environment=False,
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--grace", type=Span(), default="24h", show_default=True, metavar="SPAN",
              help="Keep what is younger, whoever needs it.")  # fmt: skip
def command(invocation: Invocation, *, dry_run: bool, grace: timedelta) -> None:
    """Remove what no generation of any environment, and no published package, can reach.

    All generations stay. Pushes may go on: those that begin meanwhile wait, and what those at work need is spared.
    Where a change or what it names is damaged, nothing is removed.
    """
    from breakbulk.hub.collection import collect_hub

    hub = invocation.hub
    collected = collect_hub(hub, invocation.settings, grace=grace, dry_run=dry_run, reporter=invocation)
    invocation.report(_document(collected, hub.url, dry_run=dry_run), lambda: _text(collected, dry_run=dry_run))


def _document(collected: HubCollected, url: str, *, dry_run: bool) -> dict[str, Any]:
    return {
        "hub": url,
        "dry_run": dry_run,
        "environments": collected.environments,
        "generations": collected.generations,
        "objects": collected.objects,
        "removed": collected.removed,
        "size_bytes": collected.size,
        "young": collected.young,
        "pointers": collected.pointers,
    }


def _text(collected: HubCollected, *, dry_run: bool) -> str:
    verb = "would be removed" if dry_run else "removed"
    young = f", {collected.young} too young" if collected.young else ""
    return (
        f"{count(collected.removed, 'object')} of {collected.objects} {verb}, {human_size(collected.size)}{young}\n"
        f"{count(collected.generations, 'generation')} of {count(collected.environments, 'environment')} kept"
    )
