"""How large the archive at an address is: asked with HEAD, and where that gets no answer, downloaded.

A lock names the size of each archive, so that a download can be refused before it fills the disk. What had to be
downloaded for that is kept in the cache under its digest, for `locate` to find.
"""

from __future__ import annotations

import hashlib
import netrc
import os
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from breakbulk.ecosystems.addresses import local_path, shown
from breakbulk.ecosystems.repeating import TRANSIENT, lasting, repeated
from breakbulk.errors import IntegrityError, NetworkError, NotFoundError
from breakbulk.settings import Settings

if TYPE_CHECKING:
    import httpx2

__all__ = ["authorisation", "downloaded", "size_of"]

_CHUNK_BYTES = 1 << 20


def size_of(url: str, sha256: str, settings: Settings) -> int:
    """Return the size in bytes of the archive at `url`.

    Raises:
        NetworkError: `archive-unreachable`: the server does not answer, or with an error.
        NotFoundError: `archive-missing`: there is nothing at the address.
        IntegrityError: It had to be downloaded, and has another digest than `sha256`.

    """
    if (path := local_path(url)) is not None:
        if not path.is_file():
            raise _missing(url, "there is no such file")
        return path.stat().st_size
    if (kept := downloaded(sha256, settings)).exists():
        return kept.stat().st_size
    with _client(settings) as client:
        return _by_head(client, url, settings) or _by_download(client, url, sha256, settings)


def downloaded(sha256: str, settings: Settings) -> Path:
    """Return where an archive that had to be downloaded to know its size is kept, present or not."""
    return settings.cache / "archives" / sha256


def authorisation(url: str, settings: Settings) -> dict[str, str]:
    """Return the header that authorises a request (RFC 7617), from netrc(5); empty where it does not know the host."""
    path = settings.environment.get("NETRC") or f"{settings.environment.get('HOME', '/nonexistent')}/.netrc"
    try:
        found = netrc.netrc(path).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError):  # as curl: a file that cannot be read knows nobody
        return {}
    if found is None:
        return {}
    return {"Authorization": f"Basic {b64encode(f'{found[0]}:{found[2]}'.encode()).decode('ascii')}"}


def _by_head(client: httpx2.Client, url: str, settings: Settings) -> int | None:
    """Return the size that the server names, None when it does not say or does not know HEAD."""

    def once() -> httpx2.Response:
        with _failing(url):
            return client.head(url, headers=authorisation(url, settings))

    answer = repeated(once, tries=settings.retries)
    _check_present(url, answer)
    length = answer.headers.get("Content-Length", "")
    return int(length) if answer.status_code == 200 and length.isdigit() else None


def _by_download(client: httpx2.Client, url: str, sha256: str, settings: Settings) -> int:
    target = downloaded(sha256, settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = Path(scratch, "part")
        digest = repeated(lambda: _download(client, url, part, settings), tries=settings.retries)
        if digest != sha256:
            raise IntegrityError(
                "an archive is not the one that the manifest names",
                where=shown(url),
                why=f"its SHA-256 is {digest}, the manifest says {sha256}",
                hint="find out why it changed before you correct sha256",
            )
        os.replace(part, target)
    return target.stat().st_size


def _download(client: httpx2.Client, url: str, part: Path, settings: Settings) -> str:
    digest = hashlib.sha256()
    asked = client.stream("GET", url, headers=authorisation(url, settings))
    with _failing(url), asked as answer, part.open("wb") as file:
        _check_present(url, answer)
        if not answer.is_success:
            error = _unreachable(url, f"the server answers with status {answer.status_code}")
            raise error if answer.status_code in TRANSIENT else lasting(error)
        for chunk in answer.iter_bytes(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


@contextmanager
def _failing(url: str) -> Iterator[None]:
    """Give the client's own errors as ours; those of a connection may be over the next time."""
    import httpx2

    try:
        yield
    except httpx2.TransportError as error:
        raise _unreachable(url, str(error) or type(error).__name__) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise lasting(_unreachable(url, str(error) or type(error).__name__)) from error


def _check_present(url: str, answer: httpx2.Response) -> None:
    if answer.status_code in {404, 410}:
        raise _missing(url, f"the server answers with status {answer.status_code}")


@contextmanager
def _client(settings: Settings) -> Iterator[httpx2.Client]:
    import httpx2

    headers = {"Accept-Encoding": "identity", "User-Agent": "breakbulk"}
    with httpx2.Client(follow_redirects=True, timeout=settings.timeout_s, headers=headers) as client:
        yield client


def _missing(url: str, why: str) -> NotFoundError:
    return NotFoundError(
        "there is no archive at the address",
        identifier="archive-missing",
        where=shown(url),
        why=why,
        hint="correct `url` in the manifest",
    )


def _unreachable(url: str, why: str) -> NetworkError:
    return NetworkError(
        "the size of an archive cannot be found out",
        identifier="archive-unreachable",
        where=shown(url),
        why=why,
        hint="check the address and the network; credentials of private hosts belong in ~/.netrc",
    )
