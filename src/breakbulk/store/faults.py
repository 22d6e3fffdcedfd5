"""Word what the operating system says when a store or cache cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from breakbulk.errors import StoreError

__all__ = ["store_fault"]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def store_fault(error: OSError, root: Path, *, variable: str, needed_bytes: int = 0) -> StoreError:
    """Return the error that says what to do about `error`.

    Args:
        error: What the system said.
        root: The store or cache that was written to.
        variable: The setting that puts it elsewhere.
        needed_bytes: What is yet to be written, at least; 0 when nobody knows.

    """
    if error.errno in _FULL:
        needed = f"; at least {_megabytes(needed_bytes)} more are needed" if needed_bytes else ""
        return StoreError(
            f"there is no room left in {root}",
            identifier="disk-full",
            where=str(root),
            why=f"{error.strerror}: {_megabytes(_free_bytes(root))} are free{needed}",
            hint=f"make room, or set {variable} to a directory on a larger disk, and run the command again",
        )
    if error.errno in _REFUSED:
        return StoreError(
            f"{root} cannot be written",
            identifier="store-not-writable",
            where=str(error.filename or root),
            why=error.strerror,
            hint=f"give yourself the directory (`sudo chown -R $USER {root}`), or set {variable} to one of yours",
        )
    return StoreError(
        f"{root} cannot be read or written",
        identifier="store-failed",
        where=str(error.filename or root),
        why=error.strerror or str(error),
        hint="see the kernel's messages (`dmesg`) for a fault of the disk",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _free_bytes(path: Path) -> int:
    while not path.exists():
        path = path.parent
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
