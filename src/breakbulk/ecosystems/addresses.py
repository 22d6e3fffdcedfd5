"""Addresses of archives and indices: as they may be shown and asked for, and the file that one names. Pure."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["local_path", "shown", "without_credentials"]


def without_credentials(url: str) -> str:
    """Return an address without user, password and fragment: as it may be asked for."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def shown(url: str) -> str:
    """Return an address without credentials and query, which may hold a signature: as an error may name it."""
    return urlsplit(without_credentials(url))._replace(query="").geturl()


def local_path(url: str) -> Path | None:
    """Return the file that a `file:` address (RFC 8089) names, None for an address on a server."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
