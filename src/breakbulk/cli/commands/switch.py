"""`breakbulk switch`: make another generation of an environment live."""

from __future__ import annotations

import click

from breakbulk.cli import references
from breakbulk.cli.authoring import authorship
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.recording import change_document, happened
from breakbulk.cli.signing_options import chosen_signer, signing_options
from breakbulk.errors import UsageError

__all__ = ["command"]


@declare(
    "switch",
    ("breakbulk switch ada/tickets 3", "Make generation 3 the live one, whichever is now."),
    ('breakbulk switch ada/tickets 3 --message "4 leaks memory"', "Tell others why."),
    environment=False,
)
@click.argument("name", metavar="OWNER/NAME", shell_complete=references.environments)
@click.argument("generation", metavar="N", type=click.IntRange(min=1), shell_complete=references.generations)
@click.option("--message", metavar="TEXT", default="", help="Say why, for the history.")
@signing_options
def command(
    invocation: Invocation, *, name: str, generation: int, message: str, sign: str | None, no_sign: bool
) -> None:
    """Make another generation of an environment the live one.

    Whoever runs OWNER/NAME from now on gets generation N. No generation is allotted and none is removed; the history
    keeps who did it.
    """
    from breakbulk.hub.names import parse_reference
    from breakbulk.hub.switching import switch
    from breakbulk.hub.trust import check_vouched

    if parse_reference(name).pinned:
        raise UsageError(
            f"{name} already names a generation", hint=f"breakbulk switch {name.partition(':')[0]} {generation}"
        )
    signer = chosen_signer(invocation, sign, no_sign=no_sign)
    recorded = switch(
        invocation.hub,
        parse_reference(f"{name}:{generation}"),
        authorship(invocation, message),
        signer,
        check_vouched(invocation.hub, invocation.settings, signer),
    )
    if recorded is None:
        already = f"{name}: generation {generation} is live already"
        invocation.report({"environment": name, "generation": generation, "changed": False}, already)
        return
    invocation.report({**change_document(recorded), "changed": True}, happened(recorded.change))
