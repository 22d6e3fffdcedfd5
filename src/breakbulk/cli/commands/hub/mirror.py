"""`breakbulk hub mirror`: copy environments to another hub, so that neither this one nor an index is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import count, human_size

if TYPE_CHECKING:
    from breakbulk.hub.hub import Hub
    from breakbulk.hub.mirror import Mirrored
    from breakbulk.hub.names import Reference

__all__ = ["command"]


@declare(
    "mirror",
    ("breakbulk hub mirror ada/tickets --to s3://elsewhere", "Copy an environment, ready to run where it goes."),
    (
        "breakbulk hub mirror ada/tickets --to /mnt/disk --archives",
        "Bring all archives too, so that no index is needed.",
    ),
    ("breakbulk hub mirror --from https://hub.example.org --to /srv/hub", "Copy every environment of a hub."),
    environment=False,
)
@click.argument("names", nargs=-1, metavar="[OWNER/NAME[:N]]...", shell_complete=references.references)
@click.option("--from", "source", metavar="URL", help="The hub to copy from, by default the configured one.")
@click.option("--to", "target", metavar="URL", help="The hub to copy to, by default the configured one.")
@click.option("--archives", is_flag=True, help="Bring the archive of every package of every system too.")
@click.option("--all-generations", is_flag=True, help="Copy the packages of all generations, not of the live one.")
def command(
    invocation: Invocation,
    names: tuple[str, ...],
    *,
    source: str | None,
    target: str | None,
    archives: bool,
    all_generations: bool,
) -> None:
    """Copy environments from one hub to another.

    Histories are copied whole and byte for byte, so signatures hold there as here, and so are those of the published
    packages that they need. What the other hub has is not sent again, and a copy that was interrupted goes on where it
    ended. With --archives, packages that are not prepared are made without any index too: archives come from the hub,
    else from your indices.
    """
    from breakbulk.ecosystems.registry import ecosystems
    from breakbulk.hub.mirror import mirror
    from breakbulk.hub.opening import open_hub

    settings = invocation.settings
    here, there = open_hub(settings, source), open_hub(settings, target)
    mirrored = mirror(
        here,
        there,
        _references(here, names),
        settings,
        ecosystems(),
        archives=archives,
        all_generations=all_generations,
        reporter=invocation,
    )
    document = {"from": here.url, "to": there.url, "environments": [_document(one) for one in mirrored]}
    invocation.report(document, lambda: _text(mirrored, there.url))


def _references(hub: Hub, names: tuple[str, ...]) -> list[Reference]:
    """Return what was named, else every environment there is."""
    from breakbulk.hub.names import parse_reference

    return [parse_reference(name) for name in names or sorted(hub.environments())]


def _document(mirrored: Mirrored) -> dict[str, Any]:
    return {name: getattr(mirrored, name) for name in mirrored.__struct_fields__}


def _text(mirrored: tuple[Mirrored, ...], url: str) -> str:
    if not mirrored:
        return "there are no environments to copy"
    lines = [
        f"{one.environment}: {count(one.new_changes, 'new change')} of {one.changes}, "
        f"{count(one.objects_sent, 'object')} of {one.objects} sent, {human_size(one.bytes_sent)}"
        for one in mirrored
    ]
    return "\n".join((*lines, f"{count(len(mirrored), 'environment')} on {url}"))
