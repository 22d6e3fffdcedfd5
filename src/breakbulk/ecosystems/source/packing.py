"""A source that is no Python project becomes a tar: the same files give the same bytes, wherever and whenever.

Sorted by path, no times, owner 0, modes 0644 and 0755, directories named: nothing is in it that is not in the tree's
digest.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from breakbulk.ecosystems.source.selection import Item
from breakbulk.errors import ResolutionError

__all__ = ["copy_tree", "pack"]

_TYPES = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "directory": tarfile.DIRTYPE}
_BUFFER_BYTES = 1 << 20


def pack(root: Path, items: tuple[Item, ...], file: IO[bytes]) -> None:
    """Write the tar of `items`, which are in `root`, to `file`.

    Raises `ResolutionError` `source-changing` when a file is no longer what its item says.
    """
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in items:
            header = _header(item)
            if item.kind == "file":
                with _checked(root, item) as data:
                    tar.addfile(header, cast("IO[bytes]", data))
            else:
                tar.addfile(header)


def copy_tree(root: Path, items: tuple[Item, ...], into: Path) -> None:
    """Copy `items` into the empty directory `into`, with the modes that the tar would have."""
    for item in items:
        target = into / item.path
        if item.kind == "directory":
            target.mkdir()
        elif item.kind == "link":
            target.symlink_to(item.content)
        else:
            with _checked(root, item) as data, target.open("xb", buffering=0) as copy:
                while chunk := data.read(_BUFFER_BYTES):
                    copy.write(chunk)
            target.chmod(_mode(item))


def _header(item: Item) -> tarfile.TarInfo:
    header = tarfile.TarInfo(item.path)
    header.type = _TYPES[item.kind]
    header.mode = _mode(item)
    header.size = item.size
    header.linkname = item.content if item.kind == "link" else ""
    return header


def _mode(item: Item) -> int:
    return 0o755 if item.executable or item.kind == "directory" else 0o644


@contextmanager
def _checked(root: Path, item: Item) -> Iterator[_Checked]:
    """Open a file and see at the end that it was read as its item says."""
    try:
        file = (root / item.path).open("rb")
    except FileNotFoundError as error:
        raise _changing(root, item) from error
    with file:
        checked = _Checked(file, item, root)
        yield checked
        checked.finish()


class _Checked:
    """A file that is compared with its item while it is read."""

    def __init__(self, file: IO[bytes], item: Item, root: Path) -> None:
        self._file = file
        self._item = item
        self._root = root
        self._digest = hashlib.sha256()
        self._left = item.size

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._digest.update(chunk)
        self._left -= len(chunk)
        if self._left < 0 or (not chunk and self._left):
            raise _changing(self._root, self._item)
        return chunk

    def finish(self) -> None:
        if self._file.read(1) or self._digest.hexdigest() != self._item.content:
            raise _changing(self._root, self._item)


def _changing(root: Path, item: Item) -> ResolutionError:
    return ResolutionError(
        "a source changed while it was read",
        identifier="source-changing",
        where=str(root / item.path),
        hint="run the command again when nothing writes to the source any more",
    )
