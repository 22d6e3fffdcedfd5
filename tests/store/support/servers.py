"""An HTTP server on loopback whose answers a test writes down, one function per request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Hands each GET to the server's `answer`, and remembers its headers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        try:
            self.server.answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass

    def reply(self, data: bytes = b"", *, status: int = 200, length: int | None = None, **headers: str) -> None:
        """Answer with `data`; a `length` that is larger makes the connection break after it."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)
        if length is not None:
            self.close_connection = True

    def reply_range(self, data: bytes, **headers: str) -> None:
        """Answer as a proper server does: a part when a part is asked for."""
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if start >= len(data):
            self.reply(status=416)
        elif start:
            content_range = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.reply(data[start:], status=206, Content_Range=content_range, **headers)
        else:
            self.reply(data, **headers)


class Server(ThreadingHTTPServer):
    """One server; `asked` has path and headers of each request."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answer: Callable[[Handler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(answer: Callable[[Handler], None]) -> Iterator[Server]:
    """Run a server while inside."""
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def scripted(*answers: Callable[[Handler], None]) -> Callable[[Handler], None]:
    """Give each request the next answer; the last one stays."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer
