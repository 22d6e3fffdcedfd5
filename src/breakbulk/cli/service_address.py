"""The address of the hub service that `hub login` and `hub logout` mean."""

from __future__ import annotations

from pathlib import Path

from breakbulk.cli.invocation import Invocation
from breakbulk.errors import UsageError

__all__ = ["service_address"]


def service_address(invocation: Invocation, given: str | None) -> str:
    """Return the address given, or that of the configured hub; raise `UsageError` when it is no service."""
    from breakbulk.hub.backends.addresses import parse_address
    from breakbulk.hub.configuration import read_configuration

    text = given or read_configuration(invocation.settings).hub
    address = parse_address(text, base=Path.cwd(), home=Path.home())
    if address.scheme not in {"http", "https"}:
        raise UsageError(
            "only hub services have tokens",
            where=address.url,
            hint="give the address, as `breakbulk hub login https://hub.example.org`",
        )
    return address.url
