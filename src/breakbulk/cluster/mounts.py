"""Mounts below a directory, and a way to be rid of all of them: what containers leave when everything was killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from breakbulk.store import linux

__all__ = ["mounts_below", "unmount_below"]

_ESCAPE = re.compile(r"\\([0-7]{3})")


def mounts_below(directory: Path, mountinfo: str | None = None) -> list[Path]:
    """Return the places below a directory, or at it, that something is mounted on; those mounted last come first.

    Args:
        directory: Absolute, without symbolic links.
        mountinfo: As proc_pid_mountinfo(5) has it; by default this process's.

    """
    text = (
        Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        if mountinfo is None
        else mountinfo
    )
    return [place for place in reversed(list(_places(text))) if place.is_relative_to(directory)]


def unmount_below(directory: Path) -> None:
    """Unmount everything below a directory, at once, whoever uses it; raise `OSError`."""
    for place in mounts_below(directory.resolve()):
        linux.unmount(place, linux.MNT_DETACH)


def _places(mountinfo: str) -> Iterator[Path]:
    for line in mountinfo.splitlines():
        yield Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), line.split()[4]))
