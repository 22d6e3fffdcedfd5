"""One file from one place, through as many tries as it takes; `transfers` goes from place to place.

A try either ends with what was missing, or says whether the place may have it later or never. What has come stays in
the partial file, and the next try asks for the rest. Sources: RFC 9110 for ranges, conditions and Retry-After.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from breakbulk.ecosystems.interface import Location
from breakbulk.errors import BreakbulkError
from breakbulk.store.milestones import passed
from breakbulk.store.partial import Partial

if TYPE_CHECKING:
    import httpx2

    from breakbulk.store.prepared import Streamed

__all__ = ["AgainError", "Attempt", "NextPlaceError", "Reading", "Requesting", "Wanted", "compare"]

_REDIRECTS = {301, 302, 303, 307, 308}
_REDIRECTS_MAX = 10
_BUSY = {408, 425, 429, 500, 502, 503, 504}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is known by its content.

    Attributes:
        name: What it is called in messages.
        where: What it is for: a package's id, an object and its environment.
        size: In bytes.
        sha256: 64 lowercase hexadecimal digits.
        promise: Who says so, as in "the lock says".
        hint: What to do when a place has something else under its name.

    """

    name: str
    where: str
    size: int
    sha256: str
    promise: str = "the lock says"
    hint: str = ""


class NextPlaceError(Exception):
    """A place that cannot give the file; `integrity` when what it gave is wrong."""

    def __init__(self, reason: str, *, integrity: str | None = None) -> None:
        super().__init__(reason)
        self.integrity = integrity


class AgainError(Exception):
    """A place that may give it later; `after_s` is what it asked for."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Attempt(ABC):
    """One file from one place.

    Args:
        wanted: The file.
        partial: What there is of it.
        took: Is told of bytes, negative ones when the transfer starts again; raises when nobody needs them any more.

    """

    def __init__(self, wanted: Wanted, partial: Partial, took: Callable[[int], None]) -> None:
        self._wanted = wanted
        self._partial = partial
        self._took = took
        self._foreign = partial.size  # bytes of an earlier process: if the digest is wrong they may be why
        self.downloaded = 0
        self.shortfall: str | None = None

    @abstractmethod
    def run(self) -> None:
        """Ask for what is missing and append it; raise `AgainError`, `NextPlaceError`."""

    def complete(self) -> bool:
        """Tell whether the file is there and right; start again when what was found at the beginning is wrong."""
        if self._partial.size < self._wanted.size:
            return False
        try:
            compare(self._wanted, self._partial.size, self._partial.digest)
        except NextPlaceError:
            resumed = self._foreign
            self._restart()
            if not resumed:
                raise
            return False
        return True

    def _append(self, pieces: Iterable[bytes]) -> None:
        for data in pieces:
            if self._partial.size + len(data) > self._wanted.size:
                self._restart()
                raise NextPlaceError(f"more bytes than {self._wanted.promise}", integrity="digest-mismatch")
            self._partial.append(data)
            self.downloaded += len(data)
            self._took(len(data))
            passed("bytes-arrived")
        if self._partial.size < self._wanted.size:
            self.shortfall = "download-truncated"
            raise AgainError(f"ended after {self._partial.size} of {self._wanted.size} bytes")

    def _restart(self) -> None:
        self._took(-self._partial.size)
        self._partial.restart()
        self._foreign = 0


class Reading(Attempt):
    """From a place that gives bytes without an address; it has tried hard itself before it raises."""

    def __init__(self, place: Streamed, wanted: Wanted, partial: Partial, took: Callable[[int], None]) -> None:
        super().__init__(wanted, partial, took)
        self._place = place

    def run(self) -> None:
        """Read what is missing; go on where a connection broke, as long as each brings something."""
        before = self._partial.size
        try:
            self._append(self._place.open(before))
        except BreakbulkError as error:
            if error.retryable and self._partial.size > before:
                raise AgainError(_said(error)) from error
            raise NextPlaceError(_said(error)) from error


class Requesting(Attempt):
    """From an address; headers that authorise go to the host they are meant for, whatever it answers."""

    def __init__(
        self,
        client: httpx2.Client,
        location: Location,
        wanted: Wanted,
        partial: Partial,
        took: Callable[[int], None],
    ) -> None:
        super().__init__(wanted, partial, took)
        self._client = client
        self._location = location
        self._tag: str | None = None

    def run(self) -> None:
        """Ask for what is missing and append it."""
        import httpx2

        try:
            with closing(self._answer()) as response:
                self._take(response)
        except httpx2.InvalidURL as error:
            raise NextPlaceError(f"not an address: {error}") from error
        except httpx2.UnsupportedProtocol as error:
            raise NextPlaceError("only http and https are supported") from error
        except httpx2.TransportError as error:
            raise AgainError(_cause(error)) from error

    def _answer(self) -> httpx2.Response:
        """Send the request and follow redirects; to another origin without the headers that authorise."""
        url = self._location.url or ""
        authorising = dict(self._location.headers)
        for _ in range(_REDIRECTS_MAX):
            request = self._client.build_request("GET", url, headers={**authorising, **self._range()})
            response = self._client.send(request, stream=True, follow_redirects=False)
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response
            target = response.url.join(response.headers["location"])
            if _origin(str(target)) != _origin(url):
                authorising = {}
            elif response.url.userinfo and not target.userinfo:
                target = target.copy_with(userinfo=response.url.userinfo)
            url = str(target)
            response.close()
        raise NextPlaceError("too many redirects")

    def _range(self) -> dict[str, str]:
        if not self._partial.size:
            return {}
        condition = {"If-Range": self._tag} if self._tag else {}
        return {"Range": f"bytes={self._partial.size}-", **condition}

    def _take(self, response: httpx2.Response) -> None:
        self._judge(response)
        tag = response.headers.get("etag", "")
        self._tag = tag if tag and not tag.startswith("W/") else None
        self._append(response.iter_raw())

    def _judge(self, response: httpx2.Response) -> None:
        """Go on with 200 and 206; sort everything else into never, later and from the beginning."""
        status = response.status_code
        if status == 200:
            if self._partial.size:
                self._restart()
        elif status == 206:
            if not response.headers.get("content-range", "").startswith(f"bytes {self._partial.size}-"):
                self._restart()
                raise AgainError("another part was sent than asked for")
        elif status == 416:
            self.shortfall = "download-truncated"
            found = self._partial.size
            self._restart()
            raise AgainError(f"has no more than {found} of {self._wanted.size} bytes")
        elif status in _BUSY:
            raise AgainError(f"answered {status} {response.reason_phrase}", _retry_after_s(response))
        else:
            raise NextPlaceError(f"answered {status} {response.reason_phrase}")


def compare(wanted: Wanted, size: int, digest: str) -> None:
    """Raise `NextPlaceError` when size or SHA-256 are not those of `wanted`."""
    if size < wanted.size:
        raise NextPlaceError(f"has {size} of {wanted.size} bytes", integrity="download-truncated")
    if size != wanted.size or digest != wanted.sha256:
        raise NextPlaceError(f"has {size} bytes with SHA-256 {digest}", integrity="digest-mismatch")


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


def _cause(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _said(error: BreakbulkError) -> str:
    return f"{error.message}: {error.why}" if error.why else error.message
