"""Who reaches whom: connections and questions, also from inside of a network namespace."""

import socket
import struct
import threading
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from breakbulk.store import linux

Outcome = TypeVar("Outcome")


def is_reached(address: IPv4Address | str, *, inside: Path | None = None) -> bool:
    """Say whether somebody at an address answers, if only that nobody listens."""

    def connect() -> bool:
        try:
            socket.create_connection((str(address), 1), timeout=3).close()
        except ConnectionRefusedError:
            return True
        return True

    return _within(inside, connect) or False


def look_up(server: str, name: str, *, inside: Path | None = None) -> str | None:
    """Return the last address that a name server gives, empty when it answers without one, None when it does not."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)  # RFC 1035

    def ask() -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(3)
            client.connect((server, 53))
            client.send(question)
            answer = client.recv(4096)
        return socket.inet_ntoa(answer[-4:]) if answer[6:8] != b"\0\0" else ""

    return _within(inside, ask)


def _within(namespace: Path | None, act: Callable[[], Outcome]) -> Outcome | None:
    """Do something in a network namespace, which is a thread's own affair; None when the network does not let us."""
    outcomes: list[Outcome] = []

    def run() -> None:
        try:
            if namespace is not None:
                with namespace.open() as file:
                    linux.setns(file.fileno(), linux.CLONE_NEWNET)
            outcomes.append(act())
        except OSError:
            return

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcomes[0] if outcomes else None
