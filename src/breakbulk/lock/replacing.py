"""Write a file in one step: a reader, or a run after a crash, sees the old content or the new, never a part of it.

What is half-made lies beside the file, under a name of its own, and is locked (flock(2)) while it is written. The
kernel gives the lock up when a process is killed; whoever replaces a file in that directory next removes what nobody
holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["half_made", "remove_abandoned", "replace_file"]

_SUFFIX = ".half-made"


def replace_file(path: Path, data: bytes, mode: int) -> None:
    """Give `path` the content `data` and the permission bits `mode`; raise `OSError`, with nothing left behind."""
    with half_made(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def half_made(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` to be written; it becomes `path` at the end, or is gone after an exception.

    Whoever needs it on the disk before that (fsync(2)) sees to it. Raises `OSError`.
    """
    remove_abandoned(path.parent)
    temporary, handle = _made_and_locked(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def remove_abandoned(directory: Path) -> None:
    """Remove what processes that were killed left half-made in a directory."""
    for name in os.listdir(directory):
        if name.startswith(".") and name.endswith(_SUFFIX):
            _remove_unless_held(directory / name)


def _made_and_locked(path: Path) -> tuple[Path, int]:
    import tempfile  # not for a run whose lock is current

    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent)
        with contextlib.suppress(OSError):  # a file system without locks: nobody can take it for abandoned either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.lexists(name):  # else somebody took it for abandoned before it was locked
            return Path(name), handle
        os.close(handle)


def _remove_unless_held(path: Path) -> None:
    with contextlib.suppress(OSError):  # held, gone meanwhile, or somebody else's
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(handle)
