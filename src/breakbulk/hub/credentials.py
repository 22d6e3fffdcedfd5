"""The tokens of this user for hub services: in one file that only its owner reads, or in a variable for machines.

    [hubs."https://hub.example.org"]
    token = "bbk_..."
    subject = "ada"

A token belongs to one origin (scheme, host and port) and is sent to no other. BREAKBULK_HUB_TOKEN is for the configured
hub only, so that a mirror to another one does not give it away. Counterpart: `backends.service`.
"""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from breakbulk.errors import BreakbulkError, HubError, StoreError
from breakbulk.hub.configuration import read_configuration
from breakbulk.lock.replacing import replace_file
from breakbulk.settings import Settings

__all__ = ["CREDENTIALS_FILE", "TOKEN_VARIABLE", "Credential", "find_token", "forget", "origin", "remember"]

CREDENTIALS_FILE = "credentials.toml"
TOKEN_VARIABLE = "BREAKBULK_HUB_TOKEN"  # noqa: S105 - its name
_PORTS = {"http": 80, "https": 443}


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A token for one origin, and whose it is."""

    token: str
    subject: str = ""


class _File(msgspec.Struct, frozen=True, kw_only=True):
    hubs: dict[str, Credential] = {}


def origin(url: str) -> str:
    """Return scheme, host and port of an address in one spelling."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def find_token(settings: Settings, url: str) -> str | None:
    """Return the token for the hub at `url`, None when there is none; raise `HubError` `credentials-invalid`."""
    given = settings.environment.get(TOKEN_VARIABLE, "").strip()
    if given and _is_configured(settings, url):
        return given
    found = _read(settings.configuration / CREDENTIALS_FILE).hubs.get(origin(url))
    return found.token if found else None


def remember(settings: Settings, url: str, credential: Credential) -> Path:
    """Keep a token and return the file it is in; raise `StoreError`, `HubError`."""
    path = settings.configuration / CREDENTIALS_FILE
    hubs = {**_read(path).hubs, origin(url): credential}
    _write(path, hubs)
    return path


def forget(settings: Settings, url: str) -> bool:
    """Remove the token for a hub; return False when there was none."""
    path = settings.configuration / CREDENTIALS_FILE
    hubs = dict(_read(path).hubs)
    if hubs.pop(origin(url), None) is None:
        return False
    _write(path, hubs)
    return True


def _is_configured(settings: Settings, url: str) -> bool:
    configured = read_configuration(settings).hub
    return configured.startswith(("http://", "https://")) and origin(configured) == origin(url)


def _read(path: Path) -> _File:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _invalid(path, "others may read it", f"chmod 600 {path}")
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except FileNotFoundError:
        return _File()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        # Nothing of the file is repeated: it holds tokens.
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise _invalid(path, why or "", "correct it, or remove it and run `breakbulk hub login`") from None


def _write(path: Path, hubs: dict[str, Credential]) -> None:
    tables = [
        f"[hubs.{_quoted(name)}]\ntoken = {_quoted(found.token)}\nsubject = {_quoted(found.subject)}\n"
        for name, found in sorted(hubs.items())
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path, "\n".join(tables).encode(), 0o600)
    except OSError as error:
        raise StoreError(
            "the token cannot be kept", identifier="credentials-not-writable", where=str(path), why=error.strerror
        ) from error


def _quoted(text: str) -> str:
    """Return a TOML basic string: JSON's escapes are among TOML's."""
    return msgspec.json.encode(text).decode()


def _invalid(path: Path, why: str, hint: str) -> BreakbulkError:
    return HubError(
        "the file of tokens cannot be used", identifier="credentials-invalid", where=str(path), why=why, hint=hint
    )
