"""What is known of a source from the last time, in the cache: decisions about names, and digests of files.

Losing or damaging it costs time only. One file for each source, replaced as a whole, so that readers see the old one or
the new one.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from breakbulk.lock.replacing import half_made

__all__ = ["DirectoryState", "FileState", "recall", "remember"]

_FORMAT = 1


class FileState(msgspec.Struct, frozen=True, array_like=True):
    """A file's size, mtime (ns), ctime (ns) and inode, and the SHA-256 it had with them."""

    stamp: tuple[int, int, int, int]
    digest: str


class DirectoryState(msgspec.Struct, frozen=True, array_like=True):
    """What was found in one directory under the ignore rules of identity `rules`.

    `ignored` has every name that was judged, with a slash at the end of a directory's; `files` those whose times can be
    trusted.
    """

    rules: str
    files: dict[str, FileState] = {}
    ignored: dict[str, bool] = {}


class _Remembered(msgspec.Struct, frozen=True, array_like=True):
    format: int
    directories: dict[str, DirectoryState]


_decoder = msgspec.msgpack.Decoder(_Remembered)


def recall(cache: Path, root: Path) -> dict[str, DirectoryState]:
    """Return what is remembered of the source in `root`; empty when nothing is."""
    try:
        remembered = _decoder.decode(_path(cache, root).read_bytes())
    except (OSError, msgspec.DecodeError):  # never seen, or of another format: everything is read
        return {}
    return remembered.directories if remembered.format == _FORMAT else {}


def remember(cache: Path, root: Path, directories: dict[str, DirectoryState]) -> None:
    """Keep `directories` for the next time."""
    path = _path(cache, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    with half_made(path) as temporary:
        temporary.write_bytes(msgspec.msgpack.encode(_Remembered(_FORMAT, directories)))


def _path(cache: Path, root: Path) -> Path:
    return cache / "source" / "states" / hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
