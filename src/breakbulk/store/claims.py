"""Who makes which tree: one realisation of a package at a time, across threads and processes.

A claim is a locked byte of one file, `locks/claims`; the byte's offset is taken from the tree's key. The kernel gives a
claim back when its holder dies, however it dies. Open-file-description locks (`man 2 fcntl`, F_OFD_SETLK) belong to
one `Claims`, so two threads exclude each other like two processes, and six hundred claims need one descriptor.

Nobody deadlocks: a holder waits only for claims of the interpreter's packages, which everyone takes first and in one
order; for all others one waits with empty hands. `realise` keeps this rule.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["Claims"]

_OFFSET_DIGITS = 15  # 60 bits of the key: below the largest offset of a file, and two keys never meet in practice


class Claims:
    """The claims of one realisation; leaving the context gives all of them back. Names are keys, or begin with one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: set[int] = set()

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        self._held.clear()

    def holds(self, name: str) -> bool:
        """Tell whether the claim is ours."""
        return _offset(name) in self._held

    def attempt(self, name: str) -> bool:
        """Take a claim unless another holds it; tell whether it is ours now."""
        try:
            self._lock(fcntl.F_OFD_SETLK, fcntl.F_WRLCK, name)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, POSIX allows both
            return False
        self._held.add(_offset(name))
        return True

    def wait(self, name: str) -> None:
        """Take a claim, after its holder if it has one."""
        self._lock(fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, name)
        self._held.add(_offset(name))

    def release(self, name: str) -> None:
        """Give a claim back."""
        self._lock(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, name)
        self._held.discard(_offset(name))

    def _lock(self, command: int, kind: int, name: str) -> None:
        # struct flock: l_type, l_whence, l_start, l_len, l_pid
        fcntl.fcntl(self._descriptor, command, struct.pack("@hhqqi4x", kind, os.SEEK_SET, _offset(name), 1, 0))


def _offset(name: str) -> int:
    return int(name[:_OFFSET_DIGITS], 16)
