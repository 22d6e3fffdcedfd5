"""Events on objects of the cluster: how a user learns from `kubectl describe` what a node does for a pod.

`core/v1` events are what `kubectl describe` shows. The name of an event is derived from what it is about, so that an
agent that was restarted goes on counting where it ended instead of saying everything again.

Guarantees: `Emitter.event` never waits, never raises, and takes bounded memory whatever the cluster does; an event that
can be written is valid whatever its message holds; one that cannot (the namespace goes, nobody permits it) is dropped
and told to `troubled`. Which go when is decided by `outbox`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.backing_off import BackOff
from breakbulk.kubernetes.connection import MERGE, Connection, RefusedError, UnreachableError
from breakbulk.kubernetes.kinds import EVENT, ObjectReference
from breakbulk.kubernetes.outbox import Notice, Outbox, Subject, Type

__all__ = ["MESSAGE_BYTES", "Emitter", "event_name", "event_of", "shortened"]

MESSAGE_BYTES = 1024
"""The longest note that `events.k8s.io` takes."""
_REASON_BYTES = 128
_NAME_BYTES = 253  # a DNS subdomain, RFC 1123
_DIGEST_DIGITS = 16
_REMEMBERED = 1000
_GONE = 404
_EXISTS = 409
_BUSY = 429
_SERVER_ERROR = 500


class Emitter:
    """Writes events; `run` does the work, `event` may be called from the loop at any time.

    Args:
        connection: To the API server.
        component: Who speaks: `breakbulk-agent`.
        host: The node it speaks from.
        outbox: What waits.
        troubled: Called with what could not be written.
        back_off: Delays between tries.

    """

    def __init__(
        self,
        connection: Connection,
        *,
        component: str,
        host: str,
        outbox: Outbox | None = None,
        troubled: Callable[[ClusterError], None] = lambda _: None,
        back_off: BackOff | None = None,
    ) -> None:
        self._connection = connection
        self._component = component
        self._host = host
        self._outbox = outbox or Outbox()
        self._troubled = troubled
        self._back_off = back_off or BackOff()
        self._new = asyncio.Event()
        self._counts: OrderedDict[str, int] = OrderedDict()

    @property
    def dropped(self) -> int:
        """How many notices were never written, because too much waited."""
        return self._outbox.dropped

    def event(self, about: ObjectReference, type_: Type, reason: str, message: str) -> None:
        """Let an event be written soon.

        Args:
            about: The object; with its uid, as its name may be given anew.
            type_: `Normal` or `Warning`.
            reason: One word in CamelCase.
            message: What a person reads; anything is made valid.

        """
        self._outbox.put((about, type_, reason[:_REASON_BYTES]), message)
        self._new.set()

    async def run(self) -> None:
        """Write events until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            notice = self._outbox.take(loop.time())
            if notice is not None:
                await self._written(notice)
                continue
            self._new.clear()
            try:
                await asyncio.wait_for(self._new.wait(), self._outbox.ready_in_s(loop.time()))
            except TimeoutError:
                continue

    async def flush(self, within_s: float) -> None:
        """Write what waits, each once, for so many seconds at most; for the end of a process."""
        try:
            async with asyncio.timeout(within_s):
                for notice in self._outbox.drain():
                    await self._try(notice)
        except TimeoutError:
            return

    async def _written(self, notice: Notice) -> None:
        """Write a notice; what fails for now, or is cancelled on its way, waits again."""
        done = False
        try:
            done = await self._try(notice)
        finally:
            if not done:
                self._outbox.put_back(notice)
        if done:
            self._back_off.reset()
        else:
            await asyncio.sleep(self._back_off.next_s())

    async def _try(self, notice: Notice) -> bool:
        """Say whether a notice is done with: written, or never to be."""
        try:
            await self._write(notice)
        except UnreachableError as error:
            self._troubled(error)
            return False
        except RefusedError as error:
            self._troubled(error)
            return error.status != _BUSY and error.status < _SERVER_ERROR
        except ClusterError as error:
            self._troubled(error)
        return True

    async def _write(self, notice: Notice) -> None:
        """Write an event, or count it up; nothing is read, as a node's own credentials may not read events."""
        made = event_of(notice, self._component, self._host, datetime.now(UTC))
        namespace, name = made["metadata"]["namespace"], made["metadata"]["name"]
        path = EVENT.path(namespace, name)
        newer = {key: made[key] for key in ("message", "lastTimestamp")}
        count = self._counts.get(path)
        if count is not None and await self._patched(path, {**newer, "count": count + notice.count}):
            return
        try:
            await self._connection.request("POST", EVENT.path(namespace), body=made)
            self._remember(path, notice.count)
        except RefusedError as error:
            if error.status != _EXISTS:
                raise
            known = await self._patched(path, newer)  # of an agent before us
            await self._patched(path, {"count": int(known.get("count") or 0) + notice.count})

    async def _patched(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Return the event as it is now; empty when it has expired."""
        try:
            found: dict[str, Any] = await self._connection.request("PATCH", path, body=patch, media_type=MERGE)
        except RefusedError as error:
            if error.status != _GONE:
                raise
            self._counts.pop(path, None)
            return {}
        self._remember(path, int(found.get("count") or 0))
        return found

    def _remember(self, path: str, count: int) -> None:
        self._counts[path] = count
        self._counts.move_to_end(path)
        while len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)


def event_of(notice: Notice, component: str, host: str, now: datetime) -> dict[str, Any]:
    """Return a valid event (`core/v1`) that says it for the first time. Pure."""
    about, type_, reason = notice.subject
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event_name(notice.subject, component, host), "namespace": about.namespace or "default"},
        "involvedObject": {
            key: value
            for key, value in (
                ("apiVersion", about.api_version),
                ("kind", about.kind),
                ("namespace", about.namespace),
                ("name", about.name),
                ("uid", about.uid),
            )
            if value
        },
        "type": type_,
        "reason": reason,
        "message": shortened(notice.message),
        "source": {"component": component, "host": host},
        "reportingComponent": component,
        "reportingInstance": host,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": notice.count,
    }


def event_name(subject: Subject, component: str, host: str) -> str:
    """Return the name of the one event about a subject: the object's, and a digest of the rest."""
    about, type_, reason = subject
    words = (*msgspec.structs.astuple(about), type_, reason, component, host)
    digest = hashlib.sha256("\0".join(words).encode(errors="surrogateescape")).hexdigest()[:_DIGEST_DIGITS]
    return f"{about.name[: _NAME_BYTES - _DIGEST_DIGITS - 1].rstrip('.-')}.{digest}"


def shortened(message: str, most_bytes: int = MESSAGE_BYTES) -> str:
    """Return a message that the API takes: valid UTF-8 of at most so many bytes, without control characters."""
    valid = message.encode(errors="replace").decode()
    plain = "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in valid
    )
    encoded = plain.encode()
    if len(encoded) <= most_bytes:
        return plain
    mark = "…"
    return encoded[: most_bytes - len(mark.encode())].decode(errors="ignore") + mark
