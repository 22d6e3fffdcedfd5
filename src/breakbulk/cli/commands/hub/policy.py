"""`breakbulk hub policy`: what a hub requires of those who push to it."""

from __future__ import annotations

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation

__all__ = ["command"]


@declare(
    "policy",
    ("breakbulk hub policy", "Show what the hub requires."),
    ("breakbulk hub policy --require-signatures", "Take no push, switch or rollback from now on that is not signed."),
    environment=False,
)
@click.option(
    "--require-signatures/--allow-unsigned", "required", default=None, help="Whether every change has to be signed."
)
def command(invocation: Invocation, required: bool | None) -> None:
    """Show or set what the hub requires.

    Whoever pushes respects it, and the service enforces it. A machine that runs environments decides by its own
    `require-signatures` in config.toml, and asks no hub what to believe.
    """
    from breakbulk.hub.policy import HubPolicy, read_policy, write_policy

    objects = invocation.hub.objects
    if required is not None:
        write_policy(objects, HubPolicy(require_signatures=required))
    policy = read_policy(objects)
    says = "requires signatures" if policy.require_signatures else "takes changes that are not signed"
    document = {"hub": invocation.hub.url, "require_signatures": policy.require_signatures}
    invocation.show(document, f"{invocation.hub.url} {says}")
