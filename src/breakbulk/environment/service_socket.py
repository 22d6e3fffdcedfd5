"""Where the supervisor of a project is found, and how it is spoken to.

    <project>/.breakbulk/services/lock      locked (fcntl) by the process that started the supervisor, while it lives
    <project>/.breakbulk/services/socket    one JSON object a line and connection, one back

The lock is the truth: the kernel takes it from a dead process, so a socket that was left behind misleads nobody. The
socket's address may have 107 bytes, fewer than many a path, so it is always named relative to its directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.errors import ServiceError

__all__ = ["ask", "holder", "listen", "own", "remove"]

_FLOCK = struct.Struct("@hhqqi4x")  # struct flock on 64 bits: l_type, l_whence, l_start, l_len, l_pid
_ANSWER_TIMEOUT_S = 3600.0


def _directory(state: Path) -> Path:
    return state / "services"


@contextlib.contextmanager
def own(state: Path) -> Iterator[None]:
    """Be the one who supervises services of a project, in this process; raise `ServiceError` when another is.

    The lock is not inherited by children, and is lost when this process closes *any* descriptor of the file.
    """
    directory = _directory(state)
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ServiceError(
                "services of this project are already being looked after",
                identifier="services-already-running",
                where=str(directory),
                hint="breakbulk services status; breakbulk services stop",
            ) from error
        yield
    finally:
        os.close(descriptor)


def holder(state: Path) -> int | None:
    """Return the process that looks after services of a project, None when none does.

    The number is 0 where that process is in no namespace of this one.
    """
    try:
        descriptor = os.open(_directory(state) / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, process = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else process


def listen(state: Path) -> socket.socket:
    """Return the listening socket, in place of one that was left behind."""
    directory = _directory(state)
    (directory / "socket").unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with _short_name(directory) as name:
        server.bind(name)
    (directory / "socket").chmod(0o600)
    server.listen()
    return server


def remove(state: Path) -> None:
    """Remove the socket at the supervisor's end."""
    (_directory(state) / "socket").unlink(missing_ok=True)


def ask(state: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to the supervisor and return its answer; raise `ServiceError` when it does not give one."""
    directory = _directory(state)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as client:
        client.settimeout(_ANSWER_TIMEOUT_S)
        try:
            with _short_name(directory) as name:
                client.connect(name)
            client.sendall(msgspec.json.encode(request) + b"\n")
            with client.makefile("rb") as lines:
                answer = lines.readline()
        except OSError as error:
            raise _silent(directory, error.strerror) from error
    if not answer:
        raise _silent(directory, "it ended before it had answered")
    decoded: dict[str, Any] = msgspec.json.decode(answer)
    return decoded


@contextlib.contextmanager
def _short_name(directory: Path) -> Iterator[str]:
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/socket"
    finally:
        os.close(descriptor)


def _silent(directory: Path, why: str | None) -> ServiceError:
    return ServiceError(
        "the supervisor of the services does not answer",
        identifier="services-unreachable",
        where=str(directory / "socket"),
        why=why,
        hint="try again; should it persist, end the process that `breakbulk services status` names",
    )
