"""`breakbulk node uninstall`: the machine is an ordinary node again."""

from __future__ import annotations

from typing import Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import need_root, place_of, place_options, restart_options, restart_wanted

__all__ = ["command"]


@declare(
    "uninstall",
    ("sudo breakbulk node uninstall", "Remove runtime and agent; packages stay."),
    ("sudo breakbulk node uninstall --purge", "Remove the packages as well."),
    environment=False,
)
@restart_options
@click.option("--force", is_flag=True, help="Even while pods run; what they need to end stays.")
@click.option("--purge", is_flag=True, help="Remove packages and plans as well.")
@place_options
def command(
    invocation: Invocation, *, restart: bool, restart_command: str | None, force: bool, purge: bool, **given: Any
) -> None:
    """Remove what `breakbulk node install` has put here.

    containerd's configuration is again what it was, and what others have added to it meanwhile stays. While pods run
    that need the runtime, nothing is removed.
    """
    place = place_of(invocation, given)
    need_root()
    from breakbulk.node.installing.installation import uninstall

    done = uninstall(
        place,
        invocation,
        restart=restart_wanted(place, restart=restart, restart_command=restart_command),
        force=force,
        purge=purge,
    )
    document = {
        "node": place.name,
        "removed": done.changed,
        "images": done.images,
        "restarted": done.restarted,
        "restart_pending": done.restart_pending,
    }
    lines = [f"node {place.name} is an ordinary node again", *(f"  {name}" for name in (*done.changed, *done.images))]
    invocation.report(document, "\n".join(lines) if done.changed else f"node {place.name} was not installed")
    if done.restart_pending:
        invocation.suggest("restart containerd; running pods go on")
