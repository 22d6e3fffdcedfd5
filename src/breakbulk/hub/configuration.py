"""The user's configuration of hubs: `config.toml` in the configuration directory, under what the environment says.

hub = "s3://team-environments"        # which hub, where BREAKBULK_HUB does not say
require-signatures = true             # refuse what no trusted key has signed
signing-key = "ada"                   # the key that signs pushes; by default the only one there is
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from breakbulk.errors import UsageError
from breakbulk.settings import Settings

__all__ = ["CONFIGURATION_FILE", "Configuration", "read_configuration"]

CONFIGURATION_FILE = "config.toml"


class Configuration(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What is configured: the hub's address, whether signatures are required, the name of the key that signs."""

    hub: str
    require_signatures: bool = False
    signing_key: str | None = None


def read_configuration(settings: Settings) -> Configuration:
    """Return the configuration in force: environment before file before defaults; raise `UsageError`."""
    path = settings.configuration / CONFIGURATION_FILE
    given = {"hub": str(settings.default_hub), **_read(path)}
    if settings.hub:
        given["hub"] = settings.hub
    if settings.require_signatures is not None:
        given["require-signatures"] = settings.require_signatures
    try:
        return msgspec.convert(given, Configuration)
    except msgspec.ValidationError as error:
        raise UsageError(
            "the configuration is not understood",
            identifier="configuration-invalid",
            where=str(path),
            why=str(error),
            hint="it may hold `hub`, `require-signatures` and `signing-key`",
        ) from error


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            "the configuration cannot be read", identifier="configuration-invalid", where=str(path), why=str(error)
        ) from error
