"""`breakbulk rollback`: one step back, at once."""

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
    "rollback",
    ("breakbulk rollback ada/tickets", "Make the generation live that was live before this one."),
    ('breakbulk rollback ada/tickets --message "5 fails in production"', "Tell others why."),
    environment=False,
)
@click.argument("name", metavar="OWNER/NAME", shell_complete=references.environments)
@click.option("--message", metavar="TEXT", default="", help="Say why, for the history.")
@signing_options
def command(invocation: Invocation, *, name: str, message: str, sign: str | None, no_sign: bool) -> None:
    """Make the generation live that was live before the present one.

    Another rollback goes one step further back, as undo does; `breakbulk switch` goes to any generation. What was left
    stays on the hub. When somebody else changes the environment at the same moment, nothing is done.
    """
    from breakbulk.hub.names import parse_reference
    from breakbulk.hub.switching import rollback
    from breakbulk.hub.trust import check_vouched

    reference = parse_reference(name)
    if reference.pinned:
        raise UsageError(
            "a rollback goes to the generation that was live before",
            where=name,
            hint=f"breakbulk rollback {reference.environment}, or breakbulk switch {reference.environment} N",
        )
    signer = chosen_signer(invocation, sign, no_sign=no_sign)
    recorded = rollback(
        invocation.hub,
        reference.environment,
        authorship(invocation, message),
        signer,
        check_vouched(invocation.hub, invocation.settings, signer),
    )
    invocation.report({**change_document(recorded), "changed": True}, happened(recorded.change))
    invocation.suggest(f"breakbulk diff {name} (shows what that changed)")
