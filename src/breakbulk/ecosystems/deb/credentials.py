"""Credentials of archives, from apt's `auth.conf` (apt_auth.conf(5)): netrc(5) with a scheme and a path.

They leave this module only as a header for one address, and are never written or shown.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

__all__ = ["Credential", "authorisation", "read_credentials"]


class Credential(msgspec.Struct, frozen=True):
    """A login for a machine: `scheme` restricts it (None: https only, as in apt), `path` is a prefix."""

    scheme: str | None
    host: str
    path: str
    login: str
    password: str

    def __repr__(self) -> str:
        return f"<credential for {self.host}>"


def read_credentials(directory: Path) -> tuple[Credential, ...]:
    """Read `auth.conf` and `auth.conf.d/*.conf`; files that this user may not read hold nothing for him."""
    parts = directory / "auth.conf.d"
    files = [directory / "auth.conf", *(sorted(parts.glob("*.conf")) if parts.is_dir() else ())]
    found: list[Credential] = []
    for path in files:
        try:
            found += _parse(path.read_text())
        except (FileNotFoundError, PermissionError):
            continue
    return tuple(found)


def authorisation(url: str, credentials: tuple[Credential, ...]) -> dict[str, str]:
    """Return the header that authorises a request to `url`: from the address itself, else the first that fits."""
    parts = urlsplit(url)
    if parts.username:
        return _basic(unquote(parts.username), unquote(parts.password or ""))
    for each in credentials:
        if _fits(each, parts.scheme, parts.hostname or "", parts.port, parts.path):
            return _basic(each.login, each.password)
    return {}


def _fits(credential: Credential, scheme: str, host: str, port: int | None, path: str) -> bool:
    if scheme != (credential.scheme or "https"):
        return False
    name, _, wanted_port = credential.host.partition(":")
    return name == host and (not wanted_port or wanted_port == str(port)) and path.startswith(credential.path or "/")


def _basic(login: str, password: str) -> dict[str, str]:
    token = base64.b64encode(f"{login}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


def _parse(text: str) -> Iterator[Credential]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    words = " ".join(lines).split()
    entries: list[dict[str, str]] = []
    for name, value in pairwise(words):
        if name == "machine":
            entries.append({"machine": value})
        elif name in {"login", "password"} and entries and name not in entries[-1]:
            entries[-1][name] = value
    for entry in entries:
        scheme, separator, rest = entry["machine"].rpartition("://")
        host, slash, path = rest.partition("/")
        if entry.get("login"):
            yield Credential(
                scheme if separator else None, host, slash + path, entry["login"], entry.get("password", "")
            )
