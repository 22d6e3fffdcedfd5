"""Whose key signs what a command does to a hub: the options `--sign` and `--no-sign`, and asking for passphrases.

A command that changes an environment signs when there is a key; nobody has to ask for it. Counterpart: `hub.signing`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from breakbulk.cli.invocation import Invocation
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.hub.sealing import Signer

__all__ = ["ask_new_passphrase", "asking", "chosen_signer", "refuse_unsigned", "signing_options"]

Callback = TypeVar("Callback", bound=Callable[..., Any])


def signing_options(command: Callback) -> Callback:
    """Give a command the options; it is handed `sign` (a key's name, None when not said) and `no_sign`."""
    for option in (
        click.option("--no-sign", is_flag=True, help="Do not sign it, though there is a key."),
        click.option(
            "--sign",
            metavar="KEY",
            help="Sign it with this key; by default with `signing-key` of config.toml, or the only key there is.",
        ),
    ):
        command = option(command)
    return command


def chosen_signer(invocation: Invocation, sign: str | None, *, no_sign: bool) -> Signer:
    """Return what signs; raise `UsageError`, `NotFoundError` `signing-key-unknown`, and others as `KeyRing.pair`."""
    from breakbulk.hub.keys import KeyRing
    from breakbulk.hub.sealing import nobody
    from breakbulk.hub.signing import signer

    if no_sign:
        if sign:
            raise UsageError("--sign and --no-sign exclude each other", hint="leave one of them out")
        return nobody
    chosen = signer(invocation.settings, sign, asking())
    if chosen is nobody and (own := KeyRing(invocation.settings).own()):
        names = ", ".join(key.name for key in own)
        invocation.note(f"not signed: you have the keys {names}; --sign or `signing-key` in config.toml chooses one")
    return chosen


def refuse_unsigned(invocation: Invocation, signer: Signer) -> None:
    """Raise `HubError` `hub-requires-signatures` before anything is sent, not only when it is to be recorded."""
    from breakbulk.hub.policy import read_policy, requires_signatures
    from breakbulk.hub.sealing import nobody

    if signer is nobody and read_policy(invocation.hub.objects).require_signatures:
        raise requires_signatures(invocation.hub.url)


def asking() -> Callable[[str], bytes] | None:
    """Return what asks for a passphrase on the terminal; None where nobody sits at one."""
    if not sys.stdin.isatty():
        return None
    return lambda name: _asked(f"passphrase of the key {name}", confirmed=False)


def ask_new_passphrase() -> Callable[[str], bytes] | None:
    """Return what asks for a new passphrase, twice."""
    if not sys.stdin.isatty():
        return None
    return lambda name: _asked(f"new passphrase for the key {name}", confirmed=True)


def _asked(what: str, *, confirmed: bool) -> bytes:
    text: str = click.prompt(what, hide_input=True, confirmation_prompt=confirmed, err=True)
    return text.encode()
