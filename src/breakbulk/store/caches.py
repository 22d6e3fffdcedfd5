"""Remove from this machine's cache what can be had again and has not been used for long.

    hub/      what hubs have said of environments, by which they run here when the hub cannot be reached
    partial/  downloads that broke off, and go on from there

Nothing in a store is made worse by it: whoever needs it next asks a hub or an index again. A file is as old as its last
use, reading or writing. A download at work waits between tries, so those of the last hour stay whatever is asked.
Counterparts: `partial`; `collection`, for the store itself.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec

from breakbulk.store.milestones import passed

__all__ = ["OLD", "CachesCleared", "clear_caches"]

OLD = timedelta(days=7)
"""What has been used since stays."""

_AGES = {"hub": timedelta(0), "partial": timedelta(hours=1)}
"""What is cleared, and the age below which it never is."""


class CachesCleared(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: how many files were removed, or would be, and their size in bytes."""

    files: int = 0
    size: int = 0


def clear_caches(cache: Path, *, older: timedelta = OLD, dry_run: bool = False) -> CachesCleared:
    """Remove files that can be had again.

    Args:
        cache: The directory of caches.
        older: Only those that nobody has used for so long.
        dry_run: Only count.

    Raises:
        OSError: They cannot be removed.

    """
    files = size = 0
    for name, youngest in _AGES.items():
        before = time.time() - max(older, youngest).total_seconds()
        for path, status in _files(cache / name):
            if max(status.st_atime, status.st_mtime) <= before:
                if not dry_run:
                    path.unlink(missing_ok=True)
                    passed("cache-file-removed")
                files, size = files + 1, size + status.st_size
        if not dry_run:
            _remove_empty(cache / name)
    return CachesCleared(files=files, size=size)


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield ordinary files below a directory; links are not followed."""
    for where, _, names in os.walk(directory):
        for name in names:
            path = Path(where, name)
            with suppress(FileNotFoundError):  # others remove theirs meanwhile
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield path, status


def _remove_empty(directory: Path) -> None:
    """Remove directories in which nothing is left; who fills one meanwhile keeps it."""
    for where, _, _ in os.walk(directory, topdown=False):
        with suppress(OSError):
            Path(where).rmdir()
