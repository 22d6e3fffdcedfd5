"""`breakbulk node prewarm`: have environments on this node before a pod asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import need_root, place_of, place_options
from breakbulk.cli.rendering import count

__all__ = ["command"]


@declare(
    "prewarm",
    ("sudo breakbulk node prewarm team/pipeline", "Have the live generation here."),
    ("sudo breakbulk node prewarm team/pipeline:7 team/web", "Have several environments here."),
    environment=False,
)
@click.argument("wanted", metavar="OWNER/NAME[:N]...", nargs=-1, required=True, shell_complete=references.environments)
@place_options
def command(invocation: Invocation, *, wanted: tuple[str, ...], **given: Any) -> None:
    """Realise environments of the hub on this node, so that their pods start at once.

    What is there already is left as it is. The node agent need not run; when it does, both do the work once.
    """
    place = place_of(invocation, given)
    need_root()
    from breakbulk.node.realising.prewarming import prewarm

    settings = replace(invocation.settings, store=place.store)
    done = [prewarm(reference, place, settings, invocation) for reference in wanted]
    document = [
        {"environment": plan.environment, "generation": plan.generation, "digest": plan.digest} for plan, _ in done
    ]
    lines = [
        f"{plan.environment}:{plan.generation} is here ({count(len(made.trees), 'package')})" for plan, made in done
    ]
    invocation.report({"environments": document}, "\n".join(lines))
