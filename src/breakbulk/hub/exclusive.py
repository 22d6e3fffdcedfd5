"""One process at a time: what reads a small file, changes it and writes it back takes its lock (flock(2)) meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["exclusively"]


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made with its directory where it is absent; the kernel gives it up for the killed.

    Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
