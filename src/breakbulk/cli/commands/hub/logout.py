"""`breakbulk hub logout`: forget the token for a hub service."""

from __future__ import annotations

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.service_address import service_address

__all__ = ["command"]


@declare(
    "logout",
    ("breakbulk hub logout", "Forget the token for the configured hub."),
    ("breakbulk hub logout https://hub.example.org", "Forget that for another."),
    environment=False,
)
@click.argument("url", required=False)
def command(invocation: Invocation, url: str | None) -> None:
    """Forget the token for the hub at URL, or for the configured one.

    The token stays good: whoever keeps the hub revokes it with `breakbulk hub token revoke`.
    """
    from breakbulk.hub.credentials import forget

    address = service_address(invocation, url)
    forgotten = forget(invocation.settings, address)
    said = f"the token for {address} is forgotten" if forgotten else f"there was no token for {address}"
    invocation.report({"hub": address, "forgotten": forgotten}, said)
