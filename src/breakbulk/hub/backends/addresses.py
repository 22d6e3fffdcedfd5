"""Addresses of hubs, as users write them. Pure: nothing is opened, no environment is read.

    /srv/hub  ./hub  ~/hub  file:///srv/hub     a directory
    s3://bucket/prefix  gs://bucket/prefix      a bucket, or a part of one
    az://container/prefix                       the account comes from AZURE_STORAGE_ACCOUNT_NAME
    https://hub.example.org                     the hub service
    memory://name                               for tests and programs: lives as long as the process

An address is shown in errors, logs and locks, so it must hold no credentials; those come from the environment.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Literal, cast
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from breakbulk.errors import UsageError
from breakbulk.hub.backends.keys import is_segment

__all__ = ["Address", "Scheme", "parse_address"]

Scheme = Literal["file", "memory", "s3", "gs", "az", "http", "https"]

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_PLACES = {
    "s3": re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    "gs": re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
    "az": re.compile(r"[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}"),
    "memory": re.compile(r"[A-Za-z0-9._-]{1,100}"),
}
_SCHEMES = ("file", *_PLACES, "http", "https")
_FORMS = "a directory, file://, s3://BUCKET, gs://BUCKET, az://CONTAINER, https://HOST or memory://NAME"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a hub is.

    Attributes:
        scheme: What kind of place.
        place: Absolute path of a directory, bucket, container, host with port, or the name of one in memory.
        prefix: What every key in a bucket begins with, without slashes around it; the path of a service.

    """

    scheme: Scheme
    place: str
    prefix: str = ""

    @property
    def url(self) -> str:
        """The address as it is shown: a directory as its path, everything else as a URL."""
        if self.scheme == "file":
            return self.place
        return f"{self.scheme}://{self.place}" + (f"/{self.prefix}" if self.prefix else "")


def parse_address(text: str, *, base: Path, home: Path) -> Address:
    """Return what `text` means; paths are relative to `base`, `~` is `home`.

    Raises:
        UsageError: `hub-address-invalid`.

    """
    match = _SCHEME.match(text)
    if match is None:
        return Address(scheme="file", place=_directory(text, base, home))
    scheme = match["scheme"].lower()
    if scheme not in _SCHEMES:
        raise _unknown(scheme)
    if not match["rest"].startswith("//"):
        raise _invalid(f"{scheme}:...", f"an address begins with `{scheme}://`", _FORMS)
    if scheme == "file":
        return Address(scheme="file", place=_of_file(match["rest"]))
    return _remote(cast("Scheme", scheme), match["rest"])


def _directory(text: str, base: Path, home: Path) -> str:
    if not text or "\0" in text:
        raise _invalid(repr(text), "it is empty" if not text else "it holds a zero byte", _FORMS)
    path = home / text[2:] if text == "~" or text.startswith("~/") else Path(text)
    return str(base / path)


def _of_file(rest: str) -> str:
    host, slash, path = rest[2:].partition("/")
    decoded = unquote(slash + path, errors="strict") if path.isascii() else slash + path
    if host not in {"", "localhost"} or not slash or "\0" in decoded:
        raise _invalid("file://...", "it names another machine, or no absolute path", "write file:///path/of/directory")
    return decoded


def _remote(scheme: Scheme, rest: str) -> Address:
    parts = _split(scheme, rest)
    place, prefix = parts.netloc, parts.path.strip("/")
    shown = f"{scheme}://{place}"
    if scheme in _PLACES and not _PLACES[scheme].fullmatch(place):
        raise _invalid(shown, f"{place!r} cannot be the name of a bucket", f"write {scheme}://NAME/PREFIX")
    if scheme in {"http", "https"} and not parts.hostname:
        raise _invalid(shown, "it names no host", f"write {scheme}://HOST")
    if prefix and not all(map(is_segment, prefix.split("/"))):
        raise _invalid(shown, "its path has parts that no key can have", "use letters, digits, `-` and `_`")
    return Address(scheme=scheme, place=place, prefix=prefix)


def _split(scheme: str, rest: str) -> SplitResult:
    """Split an address, and refuse what may hold credentials without repeating it."""
    try:
        parts = urlsplit(f"{scheme}:{rest}")
        _ = parts.port
    except ValueError:  # which repeats what may be a password
        raise _invalid(f"{scheme}://...", "host or port is malformed", _FORMS) from None
    if "@" in parts.netloc:
        raise _invalid(
            f"{scheme}://...",
            "it holds a user or a password, which would be shown wherever the address is",
            _CREDENTIALS[scheme],
        )
    if parts.query or parts.fragment or "?" in rest or "#" in rest:
        raise _invalid(f"{scheme}://{parts.netloc}", "it has a query or a fragment", _CREDENTIALS[scheme])
    return parts


_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION instead",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS instead",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN instead",
    "http": "`breakbulk hub login` keeps a token for it",
    "https": "`breakbulk hub login` keeps a token for it",
    "memory": "leave it out",
}


def _unknown(scheme: str) -> UsageError:
    near = difflib.get_close_matches(scheme, _SCHEMES, n=1, cutoff=0.3)
    meant = f"; did you mean {near[0]}://?" if near else ""
    return _invalid(f"{scheme}://...", f"nothing here knows {scheme}{meant}", f"write {_FORMS}")


def _invalid(where: str, why: str, hint: str) -> UsageError:
    return UsageError(
        "this is not the address of a hub", identifier="hub-address-invalid", where=where, why=why, hint=hint
    )
