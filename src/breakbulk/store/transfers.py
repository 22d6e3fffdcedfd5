"""Fetch archives: several places in turn, from where an earlier try ended, and nothing is handed on unverified.

Guarantees: `fetch` returns a file whose size and SHA-256 are the lock's, or raises; what a broken transfer has brought
is kept for the next; headers that authorise go to the host they are meant for and to no other, whatever it answers;
addresses in errors carry no credentials. Sources: RFC 9110 for ranges, conditions and Retry-After.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec

from breakbulk.ecosystems.interface import Location
from breakbulk.errors import BreakbulkError, IntegrityError, NetworkError
from breakbulk.lock.model import Package
from breakbulk.store.http_access import open_client
from breakbulk.store.milestones import passed
from breakbulk.store.partial import Partial, open_partial

if TYPE_CHECKING:
    import httpx2

    from breakbulk.settings import Settings

__all__ = ["Fetched", "Transfers", "shown"]

_REDIRECTS = {301, 302, 303, 307, 308}
_REDIRECTS_MAX = 10
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_BACKOFF_S = 0.5
_BACKOFF_MAX_S = 20.0
_RETRY_AFTER_MAX_S = 120.0


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A verified archive: the partial file or one that was here, and how many bytes came over the network now."""

    path: Path
    downloaded: int


class _NextPlaceError(Exception):
    """A place that cannot give the archive; `integrity` when what it gave is wrong."""

    def __init__(self, reason: str, *, integrity: str | None = None) -> None:
        super().__init__(reason)
        self.integrity = integrity


class _AgainError(Exception):
    """A place that may give it later; `after_s` is what it asked for."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Transfers:
    """Everything that is fetched in one realisation. `fetch` may be called from several threads.

    Args:
        settings: Time-outs, tries, proxies.
        stop: Set by whoever no longer needs the archives.
        pause: Waits the seconds it is given; by default until `stop` is set.
        advance: Is told of bytes, negative ones when a transfer starts again.

    """

    def __init__(
        self,
        settings: Settings,
        *,
        stop: threading.Event | None = None,
        pause: Callable[[float], object] | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._stop = stop or threading.Event()
        self._pause = pause or self._stop.wait
        self._advance = advance
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def fetch(self, package: Package, locations: Iterable[Location], partial: Path) -> Fetched:
        """Return the verified archive of a package.

        Args:
            package: Its size and digest count.
            locations: Where to look, best first.
            partial: The file to download to, which may hold the beginning already.

        Raises:
            NetworkError: `download-failed`, no place gave it; the reason of each is in `why`.
            IntegrityError: `digest-mismatch` or `download-truncated`, a place gave something else.

        """
        failures: list[tuple[str, _NextPlaceError]] = []
        for location in locations:
            place = str(location.path) if location.path else shown(location.url or "")
            try:
                if location.path is not None:
                    return self._from_file(package, location.path)
                return self._from_address(package, location, partial)
            except _NextPlaceError as failure:
                failures.append((place, failure))
        raise _not_fetched(package, failures)

    def _from_file(self, package: Package, path: Path) -> Fetched:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
        except OSError as error:
            raise _NextPlaceError(error.strerror or str(error)) from error
        _compare(package, size, digest)
        self._advance(size)
        return Fetched(path=path, downloaded=0)

    def _from_address(self, package: Package, location: Location, path: Path) -> Fetched:
        with closing(open_partial(path)) as partial:
            attempt = _Attempt(self, package, location, partial)
            self._advance(partial.size)
            try:
                self._persist(attempt, partial)
            except _NextPlaceError:
                self._advance(-partial.size)
                if not partial.size:
                    partial.remove()
                raise
            passed("archive-verified")
            return Fetched(path=path, downloaded=attempt.downloaded)

    def _persist(self, attempt: _Attempt, partial: Partial) -> None:
        """Try until the archive is there; tries that bring nothing new are limited."""
        failed = furthest = 0
        while not attempt.complete():
            furthest = max(furthest, partial.size)
            try:
                attempt.run()
            except _AgainError as failure:
                failed = 1 if partial.size > furthest else failed + 1
                if failed >= self._settings.retries:
                    raise _NextPlaceError(str(failure), integrity=attempt.shortfall) from failure
                self._pause(_delay_s(failed, failure.after_s))

    def client(self) -> httpx2.Client:
        """Return the one client of all threads: connections are shared, and certificates are read once."""
        with self._lock:
            if self._client is None:
                self._client = open_client(self._settings, connections=self._settings.downloads)
            return self._client

    def took(self, amount: int) -> None:
        """Count bytes, and end the thread's work when nobody needs them."""
        if self._stop.is_set():
            raise _NextPlaceError("given up")
        self._advance(amount)


class _Attempt:
    """One archive from one place, through as many requests as it takes."""

    def __init__(self, transfers: Transfers, package: Package, location: Location, partial: Partial) -> None:
        self._transfers = transfers
        self._package = package
        self._location = location
        self._partial = partial
        self._tag: str | None = None
        self._foreign = partial.size  # bytes of an earlier process: if the digest is wrong they may be why
        self.downloaded = 0
        self.shortfall: str | None = None

    def complete(self) -> bool:
        """Tell whether the archive is there and right; start again when what was found at the beginning is wrong."""
        if self._partial.size < self._package.size:
            return False
        try:
            _compare(self._package, self._partial.size, self._partial.digest)
        except _NextPlaceError:
            resumed = self._foreign
            self._restart()
            if not resumed:
                raise
            return False
        return True

    def run(self) -> None:
        """Ask for what is missing and append it."""
        import httpx2

        try:
            with closing(self._answer()) as response:
                self._take(response)
        except httpx2.InvalidURL as error:
            raise _NextPlaceError(f"not an address: {error}") from error
        except httpx2.UnsupportedProtocol as error:
            raise _NextPlaceError("only http and https are supported") from error
        except httpx2.TransportError as error:
            raise _AgainError(_cause(error)) from error

    def _answer(self) -> httpx2.Response:
        """Send the request and follow redirects; to another origin without the headers that authorise."""
        client = self._transfers.client()
        url = self._location.url or ""
        authorising = dict(self._location.headers)
        for _ in range(_REDIRECTS_MAX):
            request = client.build_request("GET", url, headers={**authorising, **self._range()})
            response = client.send(request, stream=True, follow_redirects=False)
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response
            target = response.url.join(response.headers["location"])
            if _origin(str(target)) != _origin(url):
                authorising = {}
            elif response.url.userinfo and not target.userinfo:
                target = target.copy_with(userinfo=response.url.userinfo)
            url = str(target)
            response.close()
        raise _NextPlaceError("too many redirects")

    def _range(self) -> dict[str, str]:
        if not self._partial.size:
            return {}
        condition = {"If-Range": self._tag} if self._tag else {}
        return {"Range": f"bytes={self._partial.size}-", **condition}

    def _take(self, response: httpx2.Response) -> None:
        self._judge(response)
        tag = response.headers.get("etag", "")
        self._tag = tag if tag and not tag.startswith("W/") else None
        for data in response.iter_raw():
            if self._partial.size + len(data) > self._package.size:
                self._restart()
                raise _NextPlaceError("more bytes than the lock says", integrity="digest-mismatch")
            self._partial.append(data)
            self.downloaded += len(data)
            self._transfers.took(len(data))
            passed("bytes-arrived")
        if self._partial.size < self._package.size:
            self.shortfall = "download-truncated"
            raise _AgainError(f"ended after {self._partial.size} of {self._package.size} bytes")

    def _judge(self, response: httpx2.Response) -> None:
        """Go on with 200 and 206; sort everything else into never, later and from the beginning."""
        status = response.status_code
        if status == 200:
            if self._partial.size:
                self._restart()
        elif status == 206:
            if not response.headers.get("content-range", "").startswith(f"bytes {self._partial.size}-"):
                self._restart()
                raise _AgainError("another part was sent than asked for")
        elif status == 416:
            self.shortfall = "download-truncated"
            found = self._partial.size
            self._restart()
            raise _AgainError(f"has no more than {found} of {self._package.size} bytes")
        elif status in _BUSY:
            raise _AgainError(f"answered {status} {response.reason_phrase}", _retry_after_s(response))
        else:
            raise _NextPlaceError(f"answered {status} {response.reason_phrase}")

    def _restart(self) -> None:
        self._transfers.took(-self._partial.size)
        self._partial.restart()
        self._foreign = 0


def _compare(package: Package, size: int, digest: str) -> None:
    if size < package.size:
        raise _NextPlaceError(f"has {size} of {package.size} bytes", integrity="download-truncated")
    if size != package.size or digest != package.sha256:
        raise _NextPlaceError(f"has {size} bytes with SHA-256 {digest}", integrity="digest-mismatch")


def _delay_s(failed: int, asked_s: float | None) -> float:
    """Return exponential back-off with jitter, or what the server asked for (within reason)."""
    if asked_s is not None:
        return min(max(asked_s, 0.0), _RETRY_AFTER_MAX_S)
    return min(_BACKOFF_S * 2.0 ** (failed - 1), _BACKOFF_MAX_S) * random.uniform(0.5, 1.5)  # noqa: S311


def _retry_after_s(response: httpx2.Response) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110 section 10.2.3); None when it is neither."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def shown(url: str) -> str:
    """Return an address without user, password, query and fragment, which may hold credentials."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _cause(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _not_fetched(package: Package, failures: list[tuple[str, _NextPlaceError]]) -> BreakbulkError:
    why = "; ".join(f"{place} {failure}" for place, failure in failures) or "no place is known to have it"
    identifiers = {failure.integrity for _, failure in failures}
    own = package.ecosystem == "archive"
    change = "correct `sha256` in the manifest" if own else f"`breakbulk lock --upgrade {package.name}`"
    for identifier in ("digest-mismatch", "download-truncated"):
        if identifier in identifiers:
            return IntegrityError(
                f"{package.file} is not what was locked",
                identifier=identifier,
                where=package.id,
                why=f"{why}; the lock says {package.size} bytes with SHA-256 {package.sha256}",
                hint=f"ask who serves it; if the change is wanted, {change}",
            )
    return NetworkError(
        f"{package.file} cannot be downloaded",
        identifier="download-failed",
        where=package.id,
        why=why,
        hint="see that the index or mirror can be reached, then run the command again: it goes on where it ended",
    )
