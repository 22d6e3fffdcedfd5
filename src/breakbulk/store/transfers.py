"""Fetch archives and prepared objects: several places in turn, from where an earlier try ended.

Guarantees: `fetch` returns a file with the size and SHA-256 that were promised, or raises; nothing is handed on
unverified; what a broken transfer has brought is kept for the next; addresses in errors carry no credentials.
Counterpart: `attempts`, one place at a time.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec

from breakbulk.ecosystems.interface import Location
from breakbulk.errors import BreakbulkError, IntegrityError, NetworkError
from breakbulk.lock.model import Package
from breakbulk.store.attempts import AgainError, Attempt, NextPlaceError, Reading, Requesting, Wanted, compare
from breakbulk.store.http_access import open_client
from breakbulk.store.milestones import passed
from breakbulk.store.partial import Partial, open_partial

if TYPE_CHECKING:
    import httpx2

    from breakbulk.settings import Settings
    from breakbulk.store.prepared import Place

__all__ = ["Fetched", "Transfers", "archive_of", "shown"]

_BACKOFF_S = 0.5
_BACKOFF_MAX_S = 20.0
_RETRY_AFTER_MAX_S = 120.0


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A verified file: the partial file or one that was here, and how many bytes came over the network now."""

    path: Path
    downloaded: int


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

    def fetch(self, wanted: Wanted, places: Iterable[Place], partial: Path) -> Fetched:
        """Return a verified file.

        Args:
            wanted: Its size and digest count.
            places: Where to look, best first.
            partial: The file to download to, which may hold the beginning already.

        Raises:
            NetworkError: `download-failed`, no place gave it; the reason of each is in `why`.
            IntegrityError: `digest-mismatch` or `download-truncated`, a place gave something else.

        """
        failures: list[tuple[str, NextPlaceError]] = []
        for place in places:
            try:
                if isinstance(place, Location) and place.path is not None:
                    return self._from_file(wanted, place.path)
                return self._from_elsewhere(wanted, place, partial)
            except NextPlaceError as failure:
                failures.append((_name(place), failure))
        raise _not_fetched(wanted, failures)

    def _from_file(self, wanted: Wanted, path: Path) -> Fetched:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
        except OSError as error:
            raise NextPlaceError(error.strerror or str(error)) from error
        compare(wanted, size, digest)
        self._advance(size)
        return Fetched(path=path, downloaded=0)

    def _from_elsewhere(self, wanted: Wanted, place: Place, path: Path) -> Fetched:
        with closing(open_partial(path)) as partial:
            attempt = self._attempt(wanted, place, partial)
            self._advance(partial.size)
            try:
                self._persist(attempt, partial)
            except NextPlaceError:
                self._advance(-partial.size)
                if not partial.size:
                    partial.remove()
                raise
            passed("archive-verified")
            return Fetched(path=path, downloaded=attempt.downloaded)

    def _attempt(self, wanted: Wanted, place: Place, partial: Partial) -> Attempt:
        if isinstance(place, Location):
            return Requesting(self.client(), place, wanted, partial, self._took)
        return Reading(place, wanted, partial, self._took)

    def _persist(self, attempt: Attempt, partial: Partial) -> None:
        """Try until the file is there; tries that bring nothing new are limited."""
        failed = furthest = 0
        while not attempt.complete():
            furthest = max(furthest, partial.size)
            try:
                attempt.run()
            except AgainError as failure:
                failed = 1 if partial.size > furthest else failed + 1
                if failed >= self._settings.retries:
                    raise NextPlaceError(str(failure), integrity=attempt.shortfall) from failure
                self._pause(_delay_s(failed, failure.after_s))

    def client(self) -> httpx2.Client:
        """Return the one client of all threads: connections are shared, and certificates are read once."""
        with self._lock:
            if self._client is None:
                self._client = open_client(self._settings, connections=self._settings.downloads)
            return self._client

    def _took(self, amount: int) -> None:
        """Count bytes, and end the thread's work when nobody needs them."""
        if self._stop.is_set():
            raise NextPlaceError("given up")
        self._advance(amount)


def _delay_s(failed: int, asked_s: float | None) -> float:
    """Return exponential back-off with jitter, or what the server asked for (within reason)."""
    if asked_s is not None:
        return min(max(asked_s, 0.0), _RETRY_AFTER_MAX_S)
    return min(_BACKOFF_S * 2.0 ** (failed - 1), _BACKOFF_MAX_S) * random.uniform(0.5, 1.5)  # noqa: S311


def shown(url: str) -> str:
    """Return an address without user, password, query and fragment, which may hold credentials."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def archive_of(package: Package) -> Wanted:
    """Return what is wanted when a package's archive is."""
    own = package.ecosystem == "archive"
    change = "correct `sha256` in the manifest" if own else f"`breakbulk lock --upgrade {package.name}`"
    return Wanted(
        name=package.file,
        where=package.id,
        size=package.size,
        sha256=package.sha256,
        hint=f"ask who serves it; if the change is wanted, {change}",
    )


def _name(place: Place) -> str:
    if not isinstance(place, Location):
        return place.name
    return str(place.path) if place.path else shown(place.url or "")


def _not_fetched(wanted: Wanted, failures: list[tuple[str, NextPlaceError]]) -> BreakbulkError:
    why = "; ".join(f"{place} {failure}" for place, failure in failures) or "no place is known to have it"
    identifiers = {failure.integrity for _, failure in failures}
    for identifier in ("digest-mismatch", "download-truncated"):
        if identifier in identifiers:
            return IntegrityError(
                f"{wanted.name} is not what was promised",
                identifier=identifier,
                where=wanted.where,
                why=f"{why}; {wanted.promise} {wanted.size} bytes with SHA-256 {wanted.sha256}",
                hint=wanted.hint,
            )
    return NetworkError(
        f"{wanted.name} cannot be downloaded",
        identifier="download-failed",
        where=wanted.where,
        why=why,
        hint="see that the index or mirror can be reached, then run the command again: it goes on where it ended",
    )
