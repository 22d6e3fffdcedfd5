"""A proxy on loopback between a client and a real S3 server, which breaks what a test wants broken.

Requests pass unchanged, so signatures stay right. `faults` is asked about each request, with how many like it there
were before, and answers with what is to happen to it; every request is remembered.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Status:
    """Answer with this instead of asking the server."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Silence:
    """Take the request and say nothing, until the client gives up."""


@dataclass(frozen=True)
class CutRequest:
    """Break the connection when this many bytes of the request's body have come; the server hears nothing."""

    after_bytes: int = 0


@dataclass(frozen=True)
class CutAnswer:
    """Break the connection after this many bytes of the answer's body."""

    after_bytes: int


@dataclass(frozen=True)
class LoseAnswer:
    """Let the server do it, and break the connection instead of telling."""


Fault = Status | Silence | CutRequest | CutAnswer | LoseAnswer


@dataclass
class Request:
    """One request, as it came; names of headers are lowercase."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)

    @property
    def kind(self) -> tuple[str, str]:
        return self.method, self.path


Faults = Callable[[Request, int], Fault | None]


class FaultyProxy(ThreadingHTTPServer):
    """One proxy; `requests` has all that came, in order."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.faults: Faults = lambda _request, _before: None
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._seen: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fault(self, request: Request) -> Fault | None:
        with self._lock:
            before = self._seen[request.kind]
            self._seen[request.kind] += 1
            self.requests.append(request)
        return self.faults(request, before)

    def methods(self) -> list[str]:
        """Return the methods of what came, and forget it."""
        with self._lock:
            found, self.requests = [request.method for request in self.requests], []
            self._seen.clear()
            return found

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # connections break here on purpose


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.server.fault(Request(self.command, parts.path, parts.query, headers))
        length = int(self.headers.get("Content-Length", 0))
        if isinstance(fault, CutRequest):
            self.rfile.read(min(fault.after_bytes, length))
            self.close_connection = True
            return
        body = self.rfile.read(length)
        match fault:
            case Status(status, answer, more):
                self._send(status, {**dict(more), "Content-Length": str(len(answer))}, answer)
            case Silence():
                self.server.closing.wait()
                self.close_connection = True
            case LoseAnswer():
                self._ask(body)
                self.close_connection = True
            case CutAnswer(after_bytes):
                status, received, answer = self._ask(body)
                self._send(status, received, answer[:after_bytes])
                self.close_connection = True
            case None:
                self._send(*self._ask(body))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with closing(HTTPConnection(self.server.upstream)) as connection:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            answer = response.read()
            return response.status, dict(response.getheaders()), answer

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in {"connection", "transfer-encoding"}:
                    self.send_header(name, value)
            if "Content-Length" not in headers and self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)


@contextmanager
def faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """Run a proxy in front of `upstream` until the end of the block."""
    proxy = FaultyProxy(upstream)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.closing.set()
        proxy.shutdown()
        thread.join()
        proxy.server_close()
