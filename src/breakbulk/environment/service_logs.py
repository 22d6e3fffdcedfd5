"""Logs of services: one file each, `<project>/.breakbulk/log/NAME.log`, kept within bounds, read from outside.

A file that has reached 10 MiB becomes `NAME.log.1`, that one `NAME.log.2`, and what that held is gone: at most 30 MiB a
service. The supervisor writes; anyone reads, also when nothing runs any more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["SIZE_MAX_BYTES", "LogFile", "follow", "log_path", "tail"]

SIZE_MAX_BYTES = 10 * 1024 * 1024
_OLD_FILES = 2
_POLL_S = 0.1
_BLOCK = 65536


def log_path(state: Path, name: str) -> Path:
    """Return the log of service `name`; `state` is the project's state directory."""
    return state / "log" / f"{name}.log"


class LogFile:
    """A log being written."""

    def __init__(self, path: Path, size_max_bytes: int = SIZE_MAX_BYTES) -> None:
        self._path = path
        self._size_max_bytes = size_max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def write(self, data: bytes) -> None:
        """Append what a service has written, as it is."""
        if self._size_bytes and self._size_bytes + len(data) > self._size_max_bytes:
            self._rotate()
        os.write(self._descriptor, data)
        self._size_bytes += len(data)

    def note(self, text: str) -> None:
        """Append a line of the supervisor's own, with the time in UTC."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.write(f"[breakbulk {moment}] {text}\n".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o640)
        self._size_bytes = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(_OLD_FILES, 0, -1):
            younger = _numbered(self._path, number - 1)
            if younger.exists():
                younger.replace(_numbered(self._path, number))
        self._open()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def tail(path: Path, lines: int) -> bytes:
    """Return the last `lines` lines of a log, of older files too where the newest has fewer; empty without a log."""
    if lines <= 0:
        return b""
    data = b""
    for number in range(_OLD_FILES + 1):
        file = _numbered(path, number)
        if data.count(b"\n") > lines or not file.exists():
            break
        data = _read_end(file, lines) + data
    return b"".join(data.splitlines(keepends=True)[-lines:])


def _read_end(path: Path, lines: int) -> bytes:
    """Return at least the last `lines` lines of a file, without reading more than needed."""
    data = b""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0 and data.count(b"\n") <= lines:
            start = max(0, position - _BLOCK)
            file.seek(start)
            data = file.read(position - start) + data
            position = start
    return data


def follow(path: Path, *, wait: Callable[[float], object] = time.sleep, position: int | None = None) -> Iterator[bytes]:
    """Yield what is appended to a log, for ever, across rotation; also of a log that is yet to come.

    Args:
        path: The log.
        wait: Sleeps for so many seconds when there is nothing new.
        position: Where to begin; by default at the present end.

    """
    begin = position if position is not None else (path.stat().st_size if path.exists() else 0)
    while True:
        while not path.exists():
            wait(_POLL_S)
        with path.open("rb") as file:
            file.seek(begin)
            identity = os.fstat(file.fileno()).st_ino
            while True:
                if data := file.read(_BLOCK):
                    yield data
                elif _replaced(path, identity):
                    break
                else:
                    wait(_POLL_S)
        begin = 0


def _replaced(path: Path, identity: int) -> bool:
    """Tell whether a new file has taken the log's name."""
    try:
        return path.stat().st_ino != identity
    except FileNotFoundError:
        return False
