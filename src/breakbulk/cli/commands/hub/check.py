"""`breakbulk hub check`: whether a hub is whole, and what is damaged of which environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import count
from breakbulk.errors import IntegrityError

if TYPE_CHECKING:
    from breakbulk.hub.checking import HubCheck

__all__ = ["command"]


@declare(
    "check",
    ("breakbulk hub check", "See that everything that generations name is there."),
    ("breakbulk hub check --deep", "Read it too, and compare it with its digests."),
    ("breakbulk hub check --repair", "Write anew what can be: the index, and what leads to objects."),
    environment=False,
)
@click.option("--deep", is_flag=True, help="Read every object and compare it with its digest.")
@click.option("--repair", is_flag=True, help="Write the derived anew; remove objects that are not what they should be.")
def command(invocation: Invocation, *, deep: bool, repair: bool) -> int | None:
    """Check every environment and every package of the hub.

    Names what is damaged or missing, and of which generation. What only a damaged object knew cannot be made up: push
    the environment again, or mirror it from a hub that has it. `breakbulk verify` tells what signatures are worth.
    """
    from breakbulk.hub.checking import check_hub

    hub = invocation.hub
    checked = check_hub(hub, invocation.settings, deep=deep, repair=repair, reporter=invocation)
    invocation.show(_document(checked, hub.url), lambda: _text(checked))
    return None if checked.good else IntegrityError.exit_code


def _document(checked: HubCheck, url: str) -> dict[str, Any]:
    return {
        "hub": url,
        "good": checked.good,
        "environments": checked.environments,
        "changes": checked.changes,
        "generations_elsewhere": checked.elsewhere,
        "packages": checked.packages,
        "objects": checked.objects,
        "bytes_read": checked.bytes_read,
        "faults": [{"where": one.where, "what": one.what, "repaired": one.repaired} for one in checked.faults],
    }


def _text(checked: HubCheck) -> str:
    lines = [f"{one.where}: {one.what}" + (" (repaired)" if one.repaired else "") for one in checked.faults]
    if checked.elsewhere:
        lines.append(f"{count(checked.elsewhere, 'generation')} with packages that a mirror left where they were")
    total = (
        f"{count(checked.environments, 'environment')}, {count(checked.changes, 'change')}, "
        f"{count(checked.objects, 'object')}: "
    )
    return "\n".join((*lines, total + ("all is well" if checked.good else count(len(checked.faults), "fault"))))
