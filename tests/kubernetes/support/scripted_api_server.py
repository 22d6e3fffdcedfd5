"""A server on loopback that speaks the list and watch of Kubernetes' API, and breaks it as tests ask.

It keeps a log of everything that happened, as etcd does, and forgets its beginning when told to: whoever watches from
before that is answered with 410. Real sockets: connections are cut in the middle of a line, streams end cleanly.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

PATH = "/api/v1/pods"


class ScriptedApiServer:
    """Pods, by uid; use as an asynchronous context manager, change them by `put` and `delete`."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.repeats = 0
        self.page_size = 1000
        self.gone_as_event = False
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.requests: list[dict[str, str]] = []
        self._log: list[tuple[int, str, dict[str, Any]]] = []
        self._oldest = 100
        self._uids = 0
        self._watches: dict[asyncio.Queue[dict[str, Any] | str], None] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def watches(self) -> int:
        return len(self._watches)

    def put(self, name: str, value: str = "") -> None:
        """Create a pod, or change the one of that name."""
        known = next((found for found in self.objects.values() if found["metadata"]["name"] == name), None)
        if known is None:
            self._uids += 1
        uid = known["metadata"]["uid"] if known else f"uid-{self._uids}"
        self._happened("MODIFIED" if known else "ADDED", uid, name, value)

    def delete(self, name: str) -> None:
        for uid, found in list(self.objects.items()):
            if found["metadata"]["name"] == name:
                self._happened("DELETED", uid, name, found["value"])

    def forget(self) -> None:
        """Forget what happened until now, as compaction does."""
        self._log.clear()
        self._oldest = self.version

    def cut(self) -> None:
        """Break the connections of all watches."""
        self._tell("cut")

    def cut_in_a_line(self) -> None:
        """Break the connections of all watches in the middle of an event."""
        self._tell("half")

    def end(self) -> None:
        """End all watches cleanly, as the server does after its timeout."""
        self._tell("end")

    def fail(self, status: int) -> None:
        """Send an error as an event to all watches."""
        self._tell(_error(status))

    def bookmark(self) -> None:
        """Move the version on without an object, and say so to all watches."""
        self.version += 10
        self._tell({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": str(self.version)}}})

    def _happened(self, kind: str, uid: str, name: str, value: str) -> None:
        self.version += 1
        found = {"metadata": {"name": name, "uid": uid, "resourceVersion": str(self.version)}, "value": value}
        if kind == "DELETED":
            del self.objects[uid]
        else:
            self.objects[uid] = found
        self._log.append((self.version, kind, found))
        self._tell({"type": kind, "object": found})

    def _tell(self, what: dict[str, Any] | str) -> None:
        for watch in self._watches:
            watch.put_nowait(what)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            parts = urlsplit(head.split(" ")[1])
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.requests.append(asked)
            if self.refusals:
                status, headers = self.refusals.pop(0)
                await self._answer(writer, status, _error(status)["object"], headers)
            elif asked.get("watch"):
                await self._watch(writer, asked)
            else:
                await self._answer(writer, 200, self._page(asked))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _page(self, asked: dict[str, str]) -> dict[str, Any]:
        start = int(asked.get("continue", "0"))
        size = min(self.page_size, int(asked.get("limit", "1000")))
        found = list(self.objects.values())
        more = {"continue": str(start + size)} if start + size < len(found) else {}
        return {
            "kind": "PodList",
            "metadata": {"resourceVersion": str(self.version), **more},
            "items": found[start : start + size],
        }

    async def _watch(self, writer: asyncio.StreamWriter, asked: dict[str, str]) -> None:
        since = int(asked["resourceVersion"])
        if since < self._oldest and not self.gone_as_event:
            await self._answer(writer, 410, _error(410)["object"])
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        if since < self._oldest:
            _write_line(writer, _error(410))
            writer.write(b"0\r\n\r\n")
            return
        queue: asyncio.Queue[dict[str, Any] | str] = asyncio.Queue()
        for version, kind, found in self._log:
            if version > since - self.repeats:
                queue.put_nowait({"type": kind, "object": found})
        self._watches[queue] = None
        try:
            await self._tell_all(writer, queue)
        finally:
            del self._watches[queue]

    async def _tell_all(self, writer: asyncio.StreamWriter, queue: asyncio.Queue[dict[str, Any] | str]) -> None:
        while True:
            what = await queue.get()
            if what == "end":
                writer.write(b"0\r\n\r\n")
                return
            if what == "half":
                writer.write(b'30\r\n{"type": "MODIFIED", "obj')
                await writer.drain()
            if isinstance(what, str):
                writer.transport.abort()
                return
            _write_line(writer, what)
            await writer.drain()
            if what["type"] == "ERROR":
                writer.write(b"0\r\n\r\n")
                return

    async def _answer(
        self, writer: asyncio.StreamWriter, status: int, document: Any, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(document).encode()
        told = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**told, **(headers or {})}.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)
        await writer.drain()


def _write_line(writer: asyncio.StreamWriter, what: dict[str, Any]) -> None:
    line = json.dumps(what).encode() + b"\n"
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")


def _error(status: int) -> dict[str, Any]:
    reason = {410: "Expired", 403: "Forbidden", 429: "TooManyRequests", 401: "Unauthorized"}.get(
        status, "InternalError"
    )
    failed = {
        "kind": "Status",
        "status": "Failure",
        "code": status,
        "reason": reason,
        "message": f"because of {reason}",
    }
    return {"type": "ERROR", "object": failed}
