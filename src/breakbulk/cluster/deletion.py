"""Deletes trees of many files quickly: what nodes leave are tens of thousands, most of them packages.

One after the other, a file system that tells its disk of every file that has gone (`discard`) keeps whoever deletes
waiting for nearly each of them; so several are deleted at once. Links are deleted, not followed, and nothing may be
mounted below. Counterpart: `taking_down`, which has ended everybody who could still write there.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from breakbulk.reporting import Reporter

__all__ = ["delete_tree"]

_AT_ONCE = 16


def delete_tree(place: Path, reporter: Reporter) -> None:
    """Delete a directory and everything below it; nothing happens when it is absent. Raises `OSError`."""
    directories = _directories(place)
    task = reporter.begin(f"deleting {place}", total=len(directories))
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(_empty, directories):
                task.advance()
        for directory in reversed(directories):
            Path(directory).rmdir()
    finally:
        task.finish()


def _directories(place: Path) -> list[str]:
    """Return a directory and all below it, each after the one that it is in."""
    found = [str(place)] if place.is_dir() and not place.is_symlink() else []
    for directory in found:  # which grows meanwhile
        with os.scandir(directory) as entries:
            found += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    return found


def _empty(directory: str) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink()
