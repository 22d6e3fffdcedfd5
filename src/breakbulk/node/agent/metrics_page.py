"""`/metrics`, `/healthz` and `/readyz` of an agent over plain HTTP, for loopback or a network that is trusted.

Threads of the standard library's server: three small pages, asked a few times a minute, need no framework.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from breakbulk.errors import ServiceError

__all__ = ["serving_metrics"]

_TIMEOUT_S = 10


@contextmanager
def serving_metrics(
    address: tuple[str, int] | None, metrics: Callable[[], bytes], ready: Callable[[], str | None]
) -> Iterator[int]:
    """Serve while the context lasts, and give the port, 0 where there is no address.

    Args:
        address: Host and port; port 0 takes a free one.
        metrics: Gives the page for Prometheus.
        ready: Says why the agent is not ready, None when it is.

    Raises:
        ServiceError: `metrics-address-taken`.

    """
    if address is None:
        yield 0
        return
    server = _bound(address, metrics, ready)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="metrics")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(
    address: tuple[str, int], metrics: Callable[[], bytes], ready: Callable[[], str | None]
) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in address[0] else AF_INET
        daemon_threads = True
        block_on_close = False

    class Pages(_Pages):
        pages = (metrics, ready)

    try:
        return Server(address, Pages)
    except OSError as error:
        raise ServiceError(
            "metrics cannot be served",
            identifier="metrics-address-taken",
            where=f"{address[0]}:{address[1]}",
            why=error.strerror or str(error),
            hint="give the agent another address with --metrics HOST:PORT, or none",
        ) from error


class _Pages(BaseHTTPRequestHandler):
    pages: tuple[Callable[[], bytes], Callable[[], str | None]]
    timeout = _TIMEOUT_S
    server_version = "breakbulk"
    sys_version = ""

    def do_GET(self) -> None:
        metrics, ready = type(self).pages
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, metrics(), CONTENT_TYPE_PLAIN_1_0_0)
            case "/healthz":
                self._answer(HTTPStatus.OK, b"ok\n")
            case "/readyz":
                why = ready()
                status = HTTPStatus.OK if why is None else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, f"{why or 'ok'}\n".encode())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, b"not here\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Log nothing: it is asked all the time."""

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
