"""Directories for work in progress that do not outlive their process, however it ends.

Each is locked (flock(2)) for as long as it is used. The kernel gives the lock up when a process is killed, so whoever
needs a directory next removes those that nobody holds. The interpreter's end removes them too, which does not wait for
the threads that work in them (`side_by_side`).
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

__all__ = ["scratch"]

_PREFIX = ".scratch-"
_REMOVALS = 20


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Give an empty directory in `parent`, on its file system, and remove it at the end."""
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent):  # so that nobody takes a directory for left over before it is locked
        _sweep(parent)
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        handle = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    remove = partial(_remove, made)
    atexit.register(remove)
    try:
        yield made
    finally:
        remove()
        atexit.unregister(remove)  # only now: a thread may be stopped by the interpreter's end while it removes
        os.close(handle)


def _remove(directory: Path) -> None:
    """Remove a directory, also while another thread does; one whose files cannot be removed stays."""
    for _ in range(_REMOVALS):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return


def _sweep(parent: Path) -> None:
    for left_over in parent.glob(f"{_PREFIX}*"):
        try:
            with _locked(left_over, fcntl.LOCK_NB):
                shutil.rmtree(left_over, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):  # in use, or ended just now
            continue


@contextmanager
def _locked(directory: Path, flags: int = 0) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(handle)
