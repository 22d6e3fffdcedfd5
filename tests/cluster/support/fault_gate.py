"""A gate on loopback in front of a server: open, shut, or so narrow that large answers take their time.

It knows nothing of what passes but bytes. Answers pass freely up to `FREE_BYTES`, and beyond that at the pace of the
gate, so that small things stay quick while large ones are on their way. A gate that is shut refuses connections and
breaks those there are, as a machine that is gone does; but what is beyond `FREE_BYTES` at that moment goes on, so that
one realisation can take its time while others lose their hub.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

__all__ = ["FREE_BYTES", "Gate", "gate"]

FREE_BYTES = 1 << 20
"""Of each answer: so much passes at full speed."""

_PIECE_BYTES = 16 << 10


class Gate:
    """A gate before a port of loopback.

    Args:
        port: Of the server.
        bytes_per_s: Of each answer beyond `FREE_BYTES`.

    """

    def __init__(self, port: int, bytes_per_s: float) -> None:
        self._server = ("127.0.0.1", port)
        self._bytes_per_s = bytes_per_s
        self._ended = threading.Event()
        self._listener: socket.socket | None = None
        self._address = ("127.0.0.1", 0)
        self._open: set[_Passage] = set()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._address[1]}"

    def open(self) -> None:
        """Let everybody in, at the same address as ever."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._address)
        listener.listen(256)
        self._address = listener.getsockname()
        self._listener = listener
        threading.Thread(target=self._receive, args=[listener], daemon=True).start()

    def shut(self) -> None:
        """Let nobody in, and throw everybody out."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _end(listener)
        self._break([each for each in self._passages() if each.answered_bytes <= FREE_BYTES])

    def close(self) -> None:
        """Shut for good."""
        self._ended.set()
        self.shut()
        self._break(self._passages())

    def _passages(self) -> list[_Passage]:
        with self._lock:
            return list(self._open)

    def _break(self, passages: Iterable[_Passage]) -> None:
        for passage in passages:
            for connection in (passage.client, passage.server):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _receive(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                if self._listener is not listener:
                    return
                continue
            passage = _Passage(client, server)
            with self._lock:
                self._open.add(passage)
            threading.Thread(target=self._ask, args=[passage], daemon=True).start()
            threading.Thread(target=self._answer, args=[passage], daemon=True).start()

    def _ask(self, passage: _Passage) -> None:
        with suppress(OSError):
            while piece := passage.client.recv(_PIECE_BYTES):
                passage.answered_bytes = 0
                passage.server.sendall(piece)
        self._done(passage)

    def _answer(self, passage: _Passage) -> None:
        with suppress(OSError):
            while piece := passage.server.recv(_PIECE_BYTES):
                passage.client.sendall(piece)
                passage.answered_bytes += len(piece)
                if passage.answered_bytes > FREE_BYTES:
                    self._ended.wait(len(piece) / self._bytes_per_s)
        self._done(passage)

    def _done(self, passage: _Passage) -> None:
        self._break([passage])
        with self._lock:
            if passage in self._open:  # the other direction has not ended yet
                self._open.remove(passage)
                return
        passage.client.close()
        passage.server.close()


class _Passage:
    """One connection and its continuation."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.answered_bytes = 0


def _end(connection: socket.socket) -> None:
    """Wake whoever waits for it, and close it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def gate(port: int, bytes_per_s: float) -> Iterator[Gate]:
    """Give an open gate."""
    made = Gate(port, bytes_per_s)
    made.open()
    try:
        yield made
    finally:
        made.close()
