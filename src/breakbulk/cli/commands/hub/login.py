"""`breakbulk hub login`: keep a token for a hub service; it never stands on a command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.service_address import service_address
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.hub.backends.service import About

__all__ = ["command"]

_LONGEST = 4096


@declare(
    "login",
    ("breakbulk hub login https://hub.example.org", "Type a token, which is not shown, and keep it."),
    ("breakbulk hub login < token.txt", "Keep a token for the configured hub."),
    environment=False,
)
@click.argument("url", required=False)
def command(invocation: Invocation, url: str | None) -> None:
    """Keep a token for the hub at URL, or for the configured one.

    The token is asked for on the terminal, or read from standard input; the hub is asked whether it is good. It is kept
    in `credentials.toml` in the configuration directory, which only you can read, and sent to this hub only. Machines
    set BREAKBULK_HUB_TOKEN instead.
    """
    from breakbulk.hub.backends.service import ServiceObjects
    from breakbulk.hub.credentials import Credential, remember

    address = service_address(invocation, url)
    token = _token(address)
    about = ServiceObjects(address, invocation.settings, token=token).about
    path = remember(invocation.settings, address, Credential(token=token, subject=about.subject))
    document = {"hub": address, "subject": about.subject, "verbs": about.verbs, "owners": about.owners, "file": path}
    invocation.report({**document, "expires": about.expires}, _text(address, about))
    if invocation.settings.hub.rstrip("/") != address:
        invocation.suggest(f"export BREAKBULK_HUB={address} (or `hub` in config.toml)")


def _token(address: str) -> str:
    if sys.stdin.isatty():
        token = str(click.prompt(f"Token for {address}", hide_input=True, err=True))
    else:
        token = sys.stdin.readline(_LONGEST)
    if not token.strip():
        raise UsageError("no token was given", hint="type it, or pipe it to standard input")
    return token.strip()


def _text(address: str, about: About) -> str:
    until = f" until {about.expires:%Y-%m-%d %H:%M} UTC" if about.expires else ""
    return f"{about.subject} at {address}: {', '.join(about.verbs)} of {', '.join(about.owners)}{until}"
