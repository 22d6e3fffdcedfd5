"""Requests to package indexes: small answers and ranges of files, tried again where that may help.

Whole archives are the store's matter; what goes through here is read at lock time. Certificates, proxies and
credentials are those of pip and uv. Every failure is a `NetworkError` that names the address without credentials.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import msgspec

from breakbulk.ecosystems.addresses import shown, without_credentials
from breakbulk.ecosystems.pypi.client_configuration import client_configuration
from breakbulk.ecosystems.pypi.credentials import Credentials
from breakbulk.ecosystems.repeating import TRANSIENT, lasting, repeated
from breakbulk.errors import IntegrityError, NetworkError
from breakbulk.settings import Settings

__all__ = ["Answer", "Transport"]


class Answer(msgspec.Struct, frozen=True):
    """What a server said: `url` after redirections, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str


class Transport:
    """A pool of connections for one piece of work; a context manager, to be used from several threads."""

    def __init__(self, credentials: Credentials, settings: Settings) -> None:
        self._credentials = credentials
        self._settings = settings
        configured = client_configuration(settings).environment
        self._client = httpx2.Client(
            follow_redirects=True,
            timeout=settings.timeout_s,
            limits=httpx2.Limits(max_connections=settings.downloads),
            verify=_tls(configured),
            proxy=None if "ALL_PROXY" in settings.environment else configured.get("ALL_PROXY"),  # pip's `proxy`
            headers={"User-Agent": "breakbulk"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, headers: dict[str, str] | None = None, *, body_limit: int = 256 << 20) -> Answer:
        """Return the answer to a GET, whatever its status below 500 but 401 and 403.

        Of an answer with 200 the body is read up to `body_limit` bytes only: a server that does not know ranges sends
        the whole file. Raises `NetworkError`: `index-unauthorised`, or `index-unreachable` after the last try.
        """

        def once() -> Answer:
            with self._stream(url, {"Accept-Encoding": "gzip", **(headers or {})}) as response:
                body = _body(response, body_limit if response.status_code == 200 else None)
                received = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, received, body, str(response.url))

        return self._repeated(url, once)

    def download(self, url: str, sha256: str, to: Path) -> None:
        """Store a whole file at `to`, whose directory exists, once its digest has been compared.

        Raises `NetworkError`, and `IntegrityError` for other bytes than promised.
        """

        def once() -> Answer:
            digest = hashlib.sha256()
            with (
                self._stream(url, {"Accept-Encoding": "identity"}) as response,
                tempfile.TemporaryDirectory(dir=to.parent, prefix=f"{to.name}.") as scratch,
            ):
                if response.status_code == 200:
                    half_made = Path(scratch, to.name)
                    with half_made.open("wb") as file:
                        for part in response.iter_bytes():
                            digest.update(part)
                            file.write(part)
                    _compare(url, digest.hexdigest(), sha256)
                    os.replace(half_made, to)
                return Answer(response.status_code, {}, b"", str(response.url))

        answer = self._repeated(url, once)
        if answer.status != 200:
            raise lasting(_unreachable(url, f"it answers with status {answer.status}"))

    def _repeated(self, url: str, ask: Callable[[], Answer]) -> Answer:
        def once() -> Answer:
            try:
                answer = ask()
            except httpx2.TransportError as error:
                raise _unreachable(url, str(error) or type(error).__name__) from error
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise lasting(_unreachable(url, str(error))) from error
            if answer.status in TRANSIENT:
                raise _unreachable(url, f"it answers with status {answer.status}")
            return _authorised(answer, url)

        return repeated(once, tries=self._settings.retries)

    def _stream(self, url: str, headers: dict[str, str]) -> AbstractContextManager[httpx2.Response]:
        return self._client.stream(
            "GET", without_credentials(url), headers={**headers, **self._credentials.headers(url)}
        )


def _body(response: httpx2.Response, limit: int | None) -> bytes:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if limit is not None and len(body) > limit:
            break
    return bytes(body)


def _compare(url: str, digest: str, sha256: str) -> None:
    if digest != sha256:
        raise IntegrityError(
            "a wheel is not the one that the index promises",
            where=shown(url),
            why=f"its SHA-256 is {digest}, promised is {sha256}",
            hint="try again; if that does not help, tell those who run the index",
        )


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context with the certificates that pip or uv are told, else those of the system."""
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    try:
        if file:
            context = ssl.create_default_context(cafile=file)
        elif directory:
            context = ssl.create_default_context(capath=directory)
        else:
            context = httpx2.create_ssl_context()
        if client := environment.get("SSL_CLIENT_CERT"):
            context.load_cert_chain(client)
    except OSError as error:
        raise NetworkError(
            "the certificates that pip or uv are told to use cannot be read",
            identifier="certificates-unreadable",
            where=file or directory,
            why=error.strerror,
            hint="correct SSL_CERT_FILE, or `cert` in pip's configuration",
        ) from error
    return context


def _authorised(answer: Answer, url: str) -> Answer:
    if answer.status in {401, 403}:
        error = NetworkError(
            "a package index does not accept the credentials, or wants some",
            identifier="index-unauthorised",
            where=shown(url),
            why=f"it answers with status {answer.status}",
            hint="give them in ~/.netrc, in keyring, with `uv auth login`, or in the index's address in uv's or pip's "
            "configuration",
        )
        raise lasting(error)
    return answer


def _unreachable(url: str, why: str) -> NetworkError:
    return NetworkError(
        "a package index does not answer",
        identifier="index-unreachable",
        where=shown(url),
        why=why,
        hint="check the network, the proxy, and the index in uv's or pip's configuration; then try again",
    )
