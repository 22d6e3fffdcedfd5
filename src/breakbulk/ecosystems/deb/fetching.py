"""Transfers of indices: conditional, bounded, tried again, and with the archive's credentials.

Counterpart of `store.transfers`, which fetches packages: an index is held in memory, at most as long as the signed
Release file says, and asked for with the validators of the last answer. Proxies are those of the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from breakbulk.ecosystems.addresses import without_credentials
from breakbulk.ecosystems.deb.credentials import Credential, authorisation
from breakbulk.ecosystems.repeating import TRANSIENT, lasting, repeated
from breakbulk.errors import NetworkError
from breakbulk.reporting import Reporter, Task

if TYPE_CHECKING:
    import httpx2

    from breakbulk.settings import Settings

__all__ = ["Document", "Fetcher", "Missing", "Unchanged"]

DOCUMENT_LIMIT = 32 << 20
"""Bytes of a Release file; the largest known has one megabyte."""
_ABSENT = {404, 410}


class Document(msgspec.Struct, frozen=True):
    """An answer, with the validators to ask again by."""

    body: bytes
    etag: str | None = None
    modified: str | None = None


class Missing(msgspec.Struct, frozen=True):
    """The server has no such file."""


class Unchanged(msgspec.Struct, frozen=True):
    """The file is as it was."""


class Fetcher:
    """Fetches files of archives; of one thread, closed by `close`."""

    def __init__(self, settings: Settings, credentials: tuple[Credential, ...], reporter: Reporter) -> None:
        self._settings = settings
        self._credentials = credentials
        self._reporter = reporter
        self._client: httpx2.Client | None = None

    def fetch(
        self, url: str, *, limit: int = DOCUMENT_LIMIT, title: str | None = None, validators: Document | None = None
    ) -> Document | Missing | Unchanged:
        """Return the file at `url`, at most `limit` + 1 bytes of it: who knows its size sees that it is too long.

        Args:
            url: With or without credentials in it.
            limit: The most bytes it may have.
            title: Name for the progress display; None for files too small to show.
            validators: The last answer, to ask whether there is a newer one.

        Raises:
            NetworkError: After `settings.retries` tries; the address is named without credentials.

        """
        if url.startswith(("file:", "copy:")):
            return _read_local(Path(unquote(urlsplit(url).path)), limit)
        return repeated(lambda: self._once(url, limit, title, validators), tries=self._settings.retries)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _once(
        self, url: str, limit: int, title: str | None, validators: Document | None
    ) -> Document | Missing | Unchanged:
        import httpx2

        shown = without_credentials(url)
        headers = authorisation(url, self._credentials) | _conditions(validators)
        try:
            with self._connected().stream("GET", shown, headers=headers) as response:
                if response.status_code == httpx2.codes.NOT_MODIFIED:
                    return Unchanged()
                if response.status_code in _ABSENT:
                    return Missing()
                if response.status_code != httpx2.codes.OK:
                    raise _refused(shown, response.status_code)
                body = self._read(response, limit, title)
                return Document(body, response.headers.get("etag"), response.headers.get("last-modified"))
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise NetworkError(
                "an index of Debian packages cannot be had",
                identifier="deb-mirror-unreachable",
                where=shown,
                why=str(error) or type(error).__name__,
                hint="check the network and the proxy; `apt-get update` uses the same sources",
            ) from error

    def _read(self, response: httpx2.Response, limit: int, title: str | None) -> bytes:
        """Read the body as it was sent: an index named `.gz` must not be decompressed on the way."""
        task: Task | None = self._reporter.begin(title, total=limit, unit="bytes") if title else None
        body = bytearray()
        try:
            for piece in response.iter_raw():
                body += piece
                if task:
                    task.advance(len(piece))
                if len(body) > limit:
                    break
        finally:
            if task:
                task.finish()
        return bytes(body[: limit + 1])

    def _connected(self) -> httpx2.Client:
        if self._client is None:
            import httpx2

            self._client = httpx2.Client(
                timeout=self._settings.timeout_s,
                follow_redirects=True,
                headers={"User-Agent": "breakbulk", "Accept-Encoding": "identity"},
            )
        return self._client


def _conditions(validators: Document | None) -> dict[str, Any]:
    if validators is None:
        return {}
    wanted = {"If-None-Match": validators.etag, "If-Modified-Since": validators.modified}
    return {name: value for name, value in wanted.items() if value}


def _read_local(path: Path, limit: int) -> Document | Missing:
    try:
        with path.open("rb") as file:
            return Document(file.read(limit + 1))
    except FileNotFoundError:
        return Missing()
    except OSError as error:
        raise NetworkError(
            "an index of Debian packages cannot be read",
            identifier="deb-mirror-unreachable",
            where=str(path),
            why=error.strerror,
        ) from error


def _refused(url: str, status: int) -> NetworkError:
    message = f"the mirror answers with status {status}"
    if status in TRANSIENT:
        return NetworkError(message, identifier="deb-mirror-busy", where=url, hint="try again later")
    hint = "credentials belong into apt's auth.conf.d (man apt_auth.conf)"
    return lasting(NetworkError(message, identifier="deb-mirror-refuses", where=url, hint=hint))
