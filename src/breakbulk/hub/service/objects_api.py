"""`/v1/objects`: the objects of the hub, as `hub.objects.Objects` has them, over HTTP.

`PUT` with `If-None-Match: *` creates, and 412 says that there is one already; `PUT` alone replaces what may be
replaced. `GET` knows ranges and conditions; `Breakbulk-Modified` is the time by the clock of the place, exact enough
to compare leases by. A list is one answer of JSON lines whose last one says how many there were, so that an answer cut
short is not taken for a whole one. Counterpart: `hub.backends.service`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from email.utils import format_datetime
from itertools import chain
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, head, put, route
from litestar.enums import HttpMethod
from litestar.params import QueryParameter
from litestar.response import Stream

from breakbulk.errors import HubError
from breakbulk.hub.backends import faults
from breakbulk.hub.objects import Stat
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.documenting import SECURITY, refusals
from breakbulk.hub.service.edge import entry_of
from breakbulk.hub.service.injected import TheCaller, TheService
from breakbulk.hub.service.keys import PREFIX_PATTERN, Key
from breakbulk.hub.service.narrowing import narrowed
from breakbulk.hub.service.ranges import Part, choose, limited
from breakbulk.hub.service.receiving import received
from breakbulk.hub.service.recording import accept
from breakbulk.hub.service.service import Service
from breakbulk.hub.service.visits import visit_of

__all__ = ["MODIFIED", "ObjectsController"]

MODIFIED = "Breakbulk-Modified"
LINES = "application/jsonl"
BYTES = "application/octet-stream"
_PATH = "/v1/objects/"
_RECORD_MAX_BYTES = 1 << 30
_LINES_AT_ONCE = 1000
_FOR_EVER = "private, max-age=31536000, immutable"


class _Nothing(Response[None]):
    """An answer without a body, of whatever media type."""

    def render(self, *_: Any) -> bytes:
        """Return nothing."""
        return b""


class ObjectsController(Controller):
    """Objects by key."""

    path = "/v1/objects"
    tags = ("objects",)
    security = SECURITY

    @get("/", media_type=LINES, sync_to_thread=True, responses=refusals(400, 401, 403, 404, 502, 503))
    def list_objects(
        self,
        service: TheService,
        caller: TheCaller,
        prefix: Annotated[
            str,
            QueryParameter(
                description="What the keys begin with.", max_length=900, schema_extra={"pattern": PREFIX_PATTERN}
            ),
        ],
    ) -> Stream:
        """List the objects whose keys begin with a prefix, one JSON document per line, and at last their number."""
        caller.check_known()
        visible = service.policy.check_list(caller, prefix)
        found = service.hub.objects.list(prefix)
        first = next(found, None)  # so that a place that does not answer is an error and not half an answer
        return Stream(_lines(chain([first] if first else [], found), visible), media_type=LINES)

    @get(
        "/{key:path}", media_type=BYTES, sync_to_thread=True, responses=refusals(400, 401, 403, 404, 412, 416, 502, 503)
    )
    def read_object(self, request: Request[Any, Any, Any], service: TheService, caller: TheCaller) -> Response[Any]:
        """Return the bytes of an object, or a range of them."""
        key = _key(request, service, caller)
        service.policy.check_read(caller, key)
        if key.family == "content":
            return _content(request, service, key)
        data = narrowed(caller, key, service.hub.objects.get(key.text, limit_bytes=_RECORD_MAX_BYTES))
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        part = _wanted(request, len(data), tag)
        if isinstance(part, Response):
            return part
        return _answer(data[part.start : part.end] if part else data, part, tag, len(data))

    @head("/{key:path}", sync_to_thread=True, responses=refusals(400, 401, 403, 404, 502, 503))
    def describe_object(
        self, request: Request[Any, Any, Any], service: TheService, caller: TheCaller
    ) -> Response[None]:
        """Return size and time of an object."""
        key = _key(request, service, caller)
        service.policy.check_read(caller, key)
        stat = _present(service, key)
        tag = {"ETag": _tag(key, stat)} if key.family == "content" else {}
        return _Nothing(None, media_type=BYTES, headers={"Content-Length": str(stat.size), **_times(stat), **tag})

    @put(
        "/{key:path}",
        status_code=201,
        request_max_body_size=None,
        responses=refusals(400, 401, 403, 404, 408, 412, 413, 422, 428, 502, 503, 507),
    )
    async def write_object(
        self,
        request: Request[Any, Any, Any],
        service: TheService,
        caller: TheCaller,
    ) -> Response[None]:
        """Create an object with `If-None-Match: *`, or replace one of those that may be."""
        key = _key(request, service, caller)
        replace = "if-none-match" not in request.headers
        if not replace and request.headers["if-none-match"] != "*":
            raise _precondition()
        limit_bytes = service.policy.check_write(caller, key, replace=replace)
        entry = entry_of(service, visit_of(request.scope), action=f"write {key.text}", result="done")
        async with received(request.stream(), request.content_length, limit_bytes, service.uploads) as body:
            created = await asyncio.to_thread(accept, service, caller, key, body, replace=replace, entry=entry)
        if not created:
            raise HubError("there is an object of this name already", identifier="object-exists", where=key.text)
        if key.family == "change":
            service.changed()
        return _Nothing(None, media_type=BYTES, status_code=201)

    @delete("/{key:path}", sync_to_thread=True, responses=refusals(400, 401, 403, 404, 502, 503))
    def remove_object(self, request: Request[Any, Any, Any], service: TheService, caller: TheCaller) -> None:
        """Remove an object that nothing needs; one that is not there is no error."""
        key = _key(request, service, caller)
        service.policy.check_delete(caller, key)
        service.hub.objects.delete([key.text])
        if key.family != "lease":
            service.audit.record(entry_of(service, visit_of(request.scope), action=f"remove {key.text}", result="done"))

    @route(
        "/{key:path}", http_method=[HttpMethod.OPTIONS], status_code=204, include_in_schema=False, sync_to_thread=False
    )
    def describe_methods(self) -> Response[None]:
        """Return all methods; the one that Litestar makes knows the first only."""
        return _Nothing(None, status_code=204, headers={"Allow": "DELETE, GET, HEAD, OPTIONS, PUT"})


def _key(request: Request[Any, Any, Any], service: Service, caller: Caller) -> Key:
    caller.check_known()
    return service.policy.parse(request.scope["path"].removeprefix(_PATH))


def _content(request: Request[Any, Any, Any], service: Service, key: Key) -> Response[Any]:
    stat = _present(service, key)
    tag = _tag(key, stat)
    part = _wanted(request, stat.size, tag)
    if isinstance(part, Response):
        return part
    pieces = service.hub.objects.stream(key.text, part.start if part else 0)
    return _answer(limited(pieces, part.length if part else stat.size), part, tag, stat.size, **_times(stat))


def _present(service: Service, key: Key) -> Stat:
    stat = service.hub.objects.stat(key.text)
    if stat is None:
        raise faults.missing(key.text)
    return stat


def _wanted(request: Request[Any, Any, Any], size: int, tag: str) -> Part | Response[None] | None:
    """Return the range that is wanted, None for everything, or the answer that the conditions already give."""
    headers = request.headers
    if (expected := headers.get("if-match")) and expected not in {tag, "*"}:
        raise HubError("the object is another one by now", identifier="object-changed", where=request.scope["path"])
    if headers.get("if-none-match") in {tag, "*"}:
        return _Nothing(None, media_type=BYTES, status_code=304, headers={"ETag": tag})
    return choose(headers["range"], size) if "range" in headers else None


def _answer(body: bytes | Iterator[bytes], part: Part | None, tag: str, size: int, **times: str) -> Response[Any]:
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(part.length if part else size), **times}
    if part:
        headers["Content-Range"] = part.content_range
    if len(tag) == 66 and times:
        headers["Cache-Control"] = _FOR_EVER
    status = 206 if part else 200
    if isinstance(body, bytes):
        return Response(body, media_type=BYTES, status_code=status, headers=headers)
    return Stream(body, media_type=BYTES, status_code=status, headers=headers)


def _tag(key: Key, stat: Stat) -> str:
    return f'"{key.digest or f"{stat.size:x}-{stat.modified.timestamp():.6f}"}"'


def _times(stat: Stat) -> dict[str, str]:
    return {MODIFIED: stat.modified.isoformat(), "Last-Modified": format_datetime(stat.modified, usegmt=True)}


def _lines(stats: Iterable[Stat], visible: Callable[[str], bool]) -> Iterator[bytes]:
    """Yield the lines of a list, many at once."""
    pending: list[bytes] = []
    count = 0
    for stat in stats:
        if visible(stat.key):
            count += 1
            pending.append(msgspec.json.encode(stat))
        if len(pending) >= _LINES_AT_ONCE:
            yield b"\n".join(pending) + b"\n"
            pending.clear()
    yield b"\n".join([*pending, msgspec.json.encode({"end": count})]) + b"\n"


def _precondition() -> HubError:
    return HubError("the only condition of a write is `If-None-Match: *`", identifier="precondition-missing")
