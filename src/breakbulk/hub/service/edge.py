"""The outermost layer of the service: who asks, how often, and what the log, the metrics and the browser are told.

Every answer passes through here, also those to what nobody serves, so every one has a request identifier and security
headers, and is counted and logged once. Logs are JSON lines without queries, headers or bodies: no secret is in them.
Counterparts: `callers`, `limits`, `metrics`; inside is `application`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.hub.service.audit import Entry
from breakbulk.hub.service.callers import Caller, identify
from breakbulk.hub.service.limits import Limiter
from breakbulk.hub.service.problems import MEDIA_TYPE, Problem, TooManyRequestsError, problem_of
from breakbulk.hub.service.service import Service
from breakbulk.hub.service.visits import SCOPE_KEY, Visit

__all__ = ["ACCESS_LOG", "Application", "Edge", "answer_headers", "entry_of"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ACCESS_LOG = logging.getLogger("breakbulk.hub.service.access")
_REQUEST = re.compile(r"[A-Za-z0-9-]{8,64}")
_METHODS = {"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"}
_UNLIMITED = ("/health/", "/static/")
_SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    b"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}


class Edge:
    """An ASGI application around another one."""

    def __init__(self, inner: Application, service: Service) -> None:
        self._inner = inner
        self._service = service
        self._per_token = Limiter(service.options.per_token)
        self._per_address = Limiter(service.options.per_address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        visit = _visit(scope, headers, self._service.hub.url)
        scope[SCOPE_KEY] = visit
        began = time.monotonic()
        sending = self._sending(send, scope, visit)
        try:
            try:
                self._enter(scope["path"], headers, visit)
            except BreakbulkError as error:
                await _refuse(error, visit, sending)
            else:
                await self._inner(scope, receive, sending)
        finally:
            self._conclude(scope, visit, time.monotonic() - began)

    def _enter(self, path: str, headers: dict[str, str], visit: Visit) -> None:
        """Find out who asks; raise when their token is no good or they ask too often."""
        if path.startswith(_UNLIMITED):
            return
        if wait_s := self._service.failures.wait_s(visit.address):
            raise TooManyRequestsError(wait_s)
        try:
            visit.caller = identify(
                self._service.registry,
                headers,
                _cookies(headers.get("cookie", "")),
                visit.address,
                public=self._service.options.public_read,
                now=self._service.now(),
            )
        except BreakbulkError:
            self._service.failures.take(visit.address)
            raise
        limiter = self._per_token if visit.caller.token else self._per_address
        if wait_s := limiter.take(visit.caller.identity):
            raise TooManyRequestsError(wait_s)

    def _sending(self, send: Send, scope: Scope, visit: Visit) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                if _is_refusal(scope, visit):
                    await asyncio.to_thread(self._audit_refusal, scope, visit)
                message["headers"] = _completed(message.get("headers", []), visit, self._service.options.secure_cookies)
            elif message["type"] == "http.response.body":
                visit.sent_bytes += len(message.get("body", b""))
            await send(message)

        return sending

    def _conclude(self, scope: Scope, visit: Visit, seconds: float) -> None:
        metrics = self._service.metrics
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = scope.get("path_template") or "none"
        metrics.requests.labels(method, route, str(visit.status)).inc()
        metrics.seconds.labels(method, route).observe(seconds)
        metrics.sent_bytes.inc(visit.sent_bytes)
        if visit.error:
            metrics.refusals.labels(visit.error).inc()
        ACCESS_LOG.info("%s", msgspec.json.encode(_line(scope, visit, seconds)).decode())

    def _audit_refusal(self, scope: Scope, visit: Visit) -> None:
        action = f"{scope['method']} {scope['path'][:300]}"
        self._service.audit.record(entry_of(self._service, visit, action=action, result=visit.error))


def _is_refusal(scope: Scope, visit: Visit) -> bool:
    """Say whether the audit log is to have it; those without any token are in the access log only."""
    if visit.error in {"", "token-missing", "object-exists"}:
        return False
    writing = scope["method"] in {"PUT", "DELETE"} and visit.caller.token is not None
    return visit.status in {401, 403} or writing


def entry_of(service: Service, visit: Visit, *, action: str, result: str, detail: str = "") -> Entry:
    """Return what the audit log says of a request."""
    return Entry(
        time=service.now(),
        subject=visit.caller.subject,
        token=visit.caller.token.identifier if visit.caller.token else "",
        address=visit.address,
        action=action,
        result=result,
        request=visit.request,
        detail=detail,
    )


def _visit(scope: Scope, headers: dict[str, str], place: str) -> Visit:
    address = scope["client"][0] if scope.get("client") else "local"
    given = headers.get("x-request-id", "")
    request = given if _REQUEST.fullmatch(given) else secrets.token_hex(8)
    return Visit(request=request, address=address, caller=Caller(address=address), place=place)


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def _completed(headers: list[tuple[bytes, bytes]], visit: Visit, secure: bool) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    added = [(name, value) for name, value in _SECURITY.items() if name not in present]
    if b"cache-control" not in present:
        added.append((b"cache-control", b"no-store"))
    if secure:
        added.append((b"strict-transport-security", b"max-age=31536000"))
    return [*headers, *added, (b"x-request-id", visit.request.encode())]


async def _refuse(error: BreakbulkError, visit: Visit, send: Send) -> None:
    problem = problem_of(error, visit.request, visit.place)
    visit.error = problem.error
    body = msgspec.json.encode(problem)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in answer_headers(error, problem).items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def answer_headers(error: BreakbulkError, problem: Problem) -> dict[str, str]:
    """Return the headers that belong to an error: which it is, how to authenticate, when to try again."""
    headers = {"breakbulk-error": problem.error}
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="breakbulk hub"'
    elif isinstance(error, TooManyRequestsError):
        headers["retry-after"] = str(error.retry_after_s)
    elif problem.status == 503:
        headers["retry-after"] = "2"
    return headers


def _line(scope: Scope, visit: Visit, seconds: float) -> dict[str, Any]:
    return {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}Z",
        "request": visit.request,
        "method": scope["method"],
        "path": scope["path"],
        "status": visit.status,
        "seconds": round(seconds, 4),
        "bytes": visit.sent_bytes,
        "address": visit.address,
        "subject": visit.caller.subject,
        "token": visit.caller.token.identifier if visit.caller.token else "",
        **({"error": visit.error} if visit.error else {}),
    }
