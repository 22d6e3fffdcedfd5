"""A download in the making: a file that grows, and the digest of what it holds.

The file stays when the process dies, and the next one goes on from its end. It lies in the cache, named by the store
and the tree it is for; whoever has the claim of the tree (`claims`) is the only one to write to it.

Networks give few kilobytes at a time, and each write and each update of the digest lets another thread in: so data is
held back until there is enough of it. Closing writes it; a process that is killed loses that much.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Partial", "open_partial", "remove_old"]

_BLOCK = 1 << 20
_HELD_BYTES = 1 << 18
_OLD_S = 14 * 24 * 3600.0


class Partial:
    """An open partial file; `size` bytes are there or held back, and `digest` is their SHA-256."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._held = bytearray()
        while block := os.read(descriptor, _BLOCK):
            self._digest.update(block)
            self.size += len(block)

    @property
    def digest(self) -> str:
        """The SHA-256 of what is there, in hexadecimal digits."""
        self._write()
        return self._digest.hexdigest()

    def append(self, data: bytes) -> None:
        """Add data at the end."""
        self._held += data
        self.size += len(data)
        if len(self._held) >= _HELD_BYTES:
            self._write()

    def restart(self) -> None:
        """Throw away what is there."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self._held = bytearray()
        self.size = 0

    def close(self) -> None:
        """Close the file; what is there stays."""
        try:
            self._write()
        finally:
            os.close(self._descriptor)

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        held, self._held = self._held, bytearray()
        rest = memoryview(held)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._digest.update(held)


def open_partial(path: Path) -> Partial:
    """Open a partial file, with what an earlier process has left in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Partial(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def remove_old(directory: Path) -> None:
    """Remove partial files that nobody has written to for two weeks."""
    if not directory.is_dir():
        return
    limit = time.time() - _OLD_S
    for path in directory.iterdir():
        try:
            if path.stat().st_mtime < limit:
                path.unlink()
        except FileNotFoundError:
            continue
