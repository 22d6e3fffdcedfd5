"""How large the archive at an address is: asked with HEAD, and where that gets no answer, downloaded.

A lock names the size of each archive, so that a download can be refused before it fills the disk. What had to be
downloaded for that is kept in the cache under its digest, for `locate` to find.
"""

from __future__ import annotations

import hashlib
import netrc
import os
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from breakbulk.errors import IntegrityError, NetworkError, NotFoundError
from breakbulk.settings import Settings

if TYPE_CHECKING:
    import httpx2

__all__ = ["authorisation", "downloaded", "local_path", "size_of"]

_CHUNK_BYTES = 1 << 20
_FIRST_PAUSE_S = 0.5

Answer = TypeVar("Answer")


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


def local_path(url: str) -> Path | None:
    """Return the path of a file URL (RFC 8089), None for any other."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


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
    answer = _repeated(url, settings, lambda: client.head(url, headers=authorisation(url, settings)))
    if answer.status_code in {404, 410}:
        raise _missing(url, f"the server answers with status {answer.status_code}")
    length = answer.headers.get("Content-Length", "")
    return int(length) if answer.status_code == 200 and length.isdigit() else None


def _by_download(client: httpx2.Client, url: str, sha256: str, settings: Settings) -> int:
    target = downloaded(sha256, settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = Path(scratch, "part")
        digest = _repeated(url, settings, lambda: _download(client, url, part, settings))
        if digest != sha256:
            raise IntegrityError(
                "an archive is not the one that the manifest names",
                where=_shown(url),
                why=f"its SHA-256 is {digest}, the manifest says {sha256}",
                hint="find out why it changed before you correct sha256",
            )
        os.replace(part, target)
    return target.stat().st_size


def _download(client: httpx2.Client, url: str, part: Path, settings: Settings) -> str:
    digest = hashlib.sha256()
    with client.stream("GET", url, headers=authorisation(url, settings)) as answer, part.open("wb") as file:
        if answer.status_code in {404, 410}:
            raise _missing(url, f"the server answers with status {answer.status_code}")
        answer.raise_for_status()
        for chunk in answer.iter_bytes(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _repeated(url: str, settings: Settings, ask: Callable[[], Answer]) -> Answer:
    """Return what `ask` returns, tried again with growing pauses while the network fails."""
    import httpx2

    for attempt in range(1, settings.retries + 1):
        try:
            return ask()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            lasting = not isinstance(error, httpx2.TransportError)
            if lasting or attempt == settings.retries:
                raise _unreachable(url, str(error) or type(error).__name__) from error
            time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
    raise AssertionError("settings.retries is at least 1")


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
        where=_shown(url),
        why=why,
        hint="correct `url` in the manifest",
    )


def _unreachable(url: str, why: str) -> NetworkError:
    return NetworkError(
        "the size of an archive cannot be found out",
        identifier="archive-unreachable",
        where=_shown(url),
        why=why,
        hint="check the address and the network; credentials of private hosts belong in ~/.netrc",
    )


def _shown(url: str) -> str:
    """Return the address without credentials and query, which may hold a signature."""
    parts: SplitResult = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
