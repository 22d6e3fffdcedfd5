"""Requests to a hub service: with the token, tried again where that helps, refused where it would give the token away.

Guarantees: the token goes to the hub's origin and nowhere else, as no redirect is followed and nothing goes unencrypted
to another machine; a service that is busy says when to come back, and is obeyed; an error of the service becomes the
same error here. Counterparts: `service`, which is the place of objects made of this; `hub.service.problems`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec

from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NetworkError, NotFoundError, UsageError
from breakbulk.hub.backends import faults
from breakbulk.hub.credentials import find_token, origin
from breakbulk.settings import Settings
from breakbulk.store.http_access import open_client

if TYPE_CHECKING:
    import httpx2

__all__ = ["PLAIN_VARIABLE", "AgainError", "Asking"]

PLAIN_VARIABLE = "BREAKBULK_HUB_PLAIN_HTTP"
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_BACKOFF_S = 0.25
_BACKOFF_MAX_S = 10.0
_RETRY_AFTER_MAX_S = 120.0
_ERROR_MAX_BYTES = 64 << 10
_CLASSES: dict[int, type[BreakbulkError]] = {
    2: UsageError,
    69: IntegrityError,
    71: NetworkError,
    72: NotFoundError,
    78: HubError,
}

Result = TypeVar("Result")


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an error's description that becomes an error here."""

    title: str
    error: str
    exit_code: int = 78
    where: str = ""
    why: str = ""
    hint: str = ""
    request: str = ""


class AgainError(Exception):
    """Something that may work later; `after_s` is what the service asked for."""

    def __init__(self, error: BreakbulkError, after_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s


class Asking:
    """Asks one service. May be used from several threads.

    Args:
        url: Address without a trailing slash.
        settings: Time-outs, tries, proxies, certificates, and where the token is.
        token: Instead of the one that is kept for this address.
        pause: Waits the seconds it is given, between tries.

    """

    def __init__(
        self, url: str, settings: Settings, token: str | None = None, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self.url = url
        self._settings = settings
        self._given = token
        self._pause = pause
        self._opening = threading.Lock()
        self._client: httpx2.Client | None = None

    def close(self) -> None:
        """Close connections."""
        with self._opening:
            if self._client is not None:
                self._client.close()

    def persist(self, ask: Callable[[], Result]) -> Result:
        """Return what `ask` gives, called until it gives something or there is no point."""
        failed = 0
        while True:
            try:
                return ask()
            except AgainError as failure:
                failed += 1
                self.wait(failure, failed)

    def wait(self, failure: AgainError, failed: int) -> None:
        """Wait until it is time for the next try, or raise the error when there have been enough."""
        if failed >= self._settings.retries:
            raise failure.error from failure
        longest_s = min(_BACKOFF_S * 2.0 ** (failed - 1), _BACKOFF_MAX_S)
        asked_s = min(failure.after_s, _RETRY_AFTER_MAX_S)
        self._pause(asked_s + longest_s * random.uniform(0.5, 1.0))  # noqa: S311

    @contextmanager
    def answered(
        self,
        method: str,
        path: str,
        where: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        allowed: tuple[int, ...] = (),
    ) -> Iterator[httpx2.Response]:
        """Give the answer to a request, unread, whose status is a success or `allowed`.

        Raises:
            AgainError: What may work later.
            BreakbulkError: What the service says; `where` when it does not say it.

        """
        import httpx2

        client = self._connected()
        sent = {**self._authorization, **(headers or {})}
        try:
            request = client.build_request(method, self.url + path, headers=sent, content=body)
            with closing(client.send(request, stream=True, follow_redirects=False)) as response:
                if not response.is_success and response.status_code not in allowed:
                    raise _failure(response, where)
                yield response
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise faults.unreachable(where, str(error)) from error
        except httpx2.TransportError as error:
            raise AgainError(faults.unreachable(where, _cause(error))) from error

    def _connected(self) -> httpx2.Client:
        with self._opening:
            if self._client is None:
                self._client = open_client(self._settings, connections=max(4, self._settings.downloads))
            return self._client

    @cached_property
    def _authorization(self) -> dict[str, str]:
        token = self._given or find_token(self._settings, self.url)
        if token is None:
            return {}
        if not token.isascii() or not token.isprintable() or " " in token:
            raise HubError("the token is not one of a hub", identifier="token-unknown", where=origin(self.url))
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
            self._check_plain()
        return {"Authorization": f"Bearer {token}"}

    def _check_plain(self) -> None:
        if self._settings.environment.get(PLAIN_VARIABLE) != "1":
            raise HubError(
                "the token would go over the network unencrypted",
                identifier="hub-unencrypted",
                where=origin(self.url),
                hint=f"use the https:// address of the hub; where the network itself is safe, set {PLAIN_VARIABLE}=1",
            )


def _failure(response: httpx2.Response, where: str) -> Exception:
    """Return the error that an answer stands for."""
    if response.is_redirect:
        return _redirected(where, response.headers.get("location", ""))
    error = _error_of(response, where)
    return AgainError(error, _retry_after_s(response)) if response.status_code in _BUSY else error


def _redirected(where: str, target: str) -> HubError:
    return HubError(
        "the hub sends us to another address, where our token must not go",
        identifier="hub-redirected",
        where=where,
        why=f"to {origin(target)}" if "://" in target else None,
        hint="if that is where the hub is now, write its address into BREAKBULK_HUB or config.toml, and log in there",
    )


def _error_of(response: httpx2.Response, where: str) -> BreakbulkError:
    status = response.status_code
    body = b"".join(_first(response.iter_raw(), _ERROR_MAX_BYTES))
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _unexplained(status, where, response.headers.get("breakbulk-error"))
    if status in {500, 502, 503, 504}:
        made = faults.busy if status == 503 else faults.unreachable
        return made(where, f"{problem.why or problem.title} (request {problem.request})")
    return _CLASSES.get(problem.exit_code, HubError)(
        problem.title,
        identifier=problem.error,
        where=where if not problem.where or where.endswith(problem.where) else f"{where}: {problem.where}",
        why=problem.why or None,
        hint=problem.hint or None,
    )


def _unexplained(status: int, where: str, identifier: str | None) -> BreakbulkError:
    """Return the error of an answer without a description.

    Those to HEAD have none, only the identifier; all others are of a proxy, or something else is at this address.
    """
    if identifier and status in {400, 401, 403}:
        return HubError(
            "the hub does not permit this", identifier=identifier, where=where, hint="`breakbulk hub login`"
        )
    why = f"it answers with status {status}, and not as a hub does"
    if status == 404:
        return faults.refused(where, f"{why}: is this the address of a hub?")
    if status in {401, 403, 407}:
        return faults.denied(where, why)
    if status in {429, 503}:
        return faults.busy(where, why)
    if status == 413:
        return HubError(
            "something before the hub takes no object of this size",
            identifier="object-too-large",
            where=where,
            hint="raise the limit of the reverse proxy, as `client_max_body_size`",
        )
    return faults.unreachable(where, why)


def _first(pieces: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:limit_bytes]
        limit_bytes -= len(piece)
        if limit_bytes <= 0:
            return


def _retry_after_s(response: httpx2.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _cause(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
