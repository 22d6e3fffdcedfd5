"""`breakbulk hub token`: who may do what on a hub that you serve. Works beside the running service, on its machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli.declaration import Group, declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import columns
from breakbulk.cli.service_state import state_directory, state_option

if TYPE_CHECKING:
    from breakbulk.hub.service.registry import Registry
    from breakbulk.hub.service.tokens import Token

__all__ = ["command"]

_HEADER = ("TOKEN", "SUBJECT", "OWNERS", "VERBS", "EXPIRES", "STATE")

command = Group(
    "token",
    help="Give and take permissions on a hub that you serve.\n\nA token says who somebody is (`subject`), whose "
    "environments they may work on (`owner`), and what they may do (`verbs`): read, push, switch, collect (remove what "
    "nothing needs) and admin (read the audit log, restore from a mirror).",
    examples=(
        (
            "breakbulk hub token new --subject ada --owner ada --verbs read,push,switch",
            "Let Ada push her environments.",
        ),
        ("breakbulk hub token list", "Show all tokens."),
    ),
)


@declare(
    "new",
    ("breakbulk hub token new --subject ada --owner ada --verbs read,push,switch --expires 30d", "Let Ada push."),
    ("breakbulk hub token new --subject node --verbs read", "Let machines read everything, for 90 days."),
    environment=False,
)
@click.option("--subject", required=True, help="Who it is for: the author of the changes made with it.")
@click.option("--owner", "owners", multiple=True, help="Whose environments; `*` stands for any characters.")
@click.option("--verbs", required=True, help="What may be done, separated by commas.")
@click.option("--expires", default="90d", show_default=True, help="After how long: 12h, 30d, 8w, 1y or never.")
@state_option
def new(
    invocation: Invocation, *, subject: str, owners: tuple[str, ...], verbs: str, expires: str, state: Path | None
) -> None:
    """Make a token and show it, this once.

    Without --owner it is for the environments of all owners. Only a digest of it is kept.
    """
    from breakbulk.hub.service.tokens import mint, parse_duration

    token, text = mint(
        subject=subject,
        owners=owners or ("*",),
        verbs=tuple(verb.strip() for verb in verbs.split(",") if verb.strip()),
        lifetime=parse_duration(expires),
        now=datetime.now(UTC),
    )
    with _registry(invocation, state, "new", token.identifier) as registry:
        registry.add(token, text)
    invocation.show({"token": text, **_document(token)}, text)
    invocation.suggest("breakbulk hub login (where it is to be used; it is not shown again)")


@declare(
    "list", ("breakbulk hub token list", "Show all tokens, also those that are no good any more."), environment=False
)
@state_option
def list_(invocation: Invocation, state: Path | None) -> None:
    """Show the tokens, without what is secret of them."""
    with _registry(invocation, state) as registry:
        tokens = registry.tokens()
    invocation.show(
        {"tokens": [_document(token) for token in tokens]},
        lambda: columns(_HEADER, map(_row, tokens), invocation.style) if tokens else "there are no tokens",
    )


@declare(
    "revoke", ("breakbulk hub token revoke 4f1d2c3b5a69", "End a token, by the name in the list."), environment=False
)
@click.argument("identifier", metavar="TOKEN")
@state_option
def revoke(invocation: Invocation, identifier: str, state: Path | None) -> None:
    """End a token at once, with all sign-ins made with it."""
    with _registry(invocation, state, "revoke", identifier) as registry:
        token = registry.revoke(identifier, datetime.now(UTC))
    invocation.report(_document(token), f"{token.identifier} of {token.subject} is revoked")


for _command in (new, list_, revoke):
    command.add_command(_command)


@contextmanager
def _registry(
    invocation: Invocation, state: Path | None, action: str | None = None, identifier: str = ""
) -> Iterator[Registry]:
    """Open the tokens; what succeeds and changes something is in the audit log."""
    from breakbulk.hub.service.audit import AuditLog, Entry
    from breakbulk.hub.service.registry import Registry

    directory = state_directory(invocation, state)
    registry = Registry(directory)
    try:
        yield registry
        if action:
            log = AuditLog(directory)
            log.record(
                Entry(
                    time=datetime.now(UTC), action=f"token {action}", result="done", detail=identifier, address="local"
                )
            )
            log.close()
    finally:
        registry.close()


def _document(token: Token) -> dict[str, object]:
    return {
        "identifier": token.identifier,
        "subject": token.subject,
        "owners": token.owners,
        "verbs": token.verbs,
        "created": token.created,
        "expires": token.expires,
        "revoked": token.revoked,
        "state": token.state(datetime.now(UTC)),
    }


def _row(token: Token) -> tuple[str, ...]:
    expires = f"{token.expires:%Y-%m-%d %H:%M}" if token.expires else "never"
    state = token.state(datetime.now(UTC))
    return (token.identifier, token.subject, ",".join(token.owners), ",".join(token.verbs), expires, state)
