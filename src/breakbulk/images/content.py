"""What the trees of an environment are in an image: every path with kind, mode, owner, time, and where its bytes are.

What a store's record says counts, not what is on the disk: an ordinary user's store has neither owners nor
capabilities, its records do, and so both give one image. Only the base package's owners are those on the disk, where
root made it. Bytes are compared with the record when they are read (`pieces`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.ecosystems.interface import Content, Entry
from breakbulk.errors import IntegrityError
from breakbulk.lock.model import Package
from breakbulk.store.base.writing import listing
from breakbulk.store.layout import Layout
from breakbulk.store.records import decode_record

__all__ = ["Leaf", "Tree", "read_tree"]

_PIECE_BYTES = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Leaf(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One path of an image.

    Attributes:
        entry: Kind, mode, owner, content.
        source: The file on this machine; of a file of ours its bytes.
        mtime_s: Seconds since 1970.
        same_as: The path, in the same tree, that this is a hard link to.

    """

    entry: Entry
    source: str | bytes
    mtime_s: int = 0
    same_as: str | None = None

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of a file; raise `IntegrityError` `tree-damaged` when they are not those of the record."""
        if isinstance(self.source, bytes):
            yield self.source
            return
        digest, size = hashlib.sha256(), 0
        try:
            with open(os.open(self.source, _READ), "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
                while piece := file.read(min(_PIECE_BYTES, self.entry.size - size + 1)):
                    digest.update(piece)
                    size += len(piece)
                    if size > self.entry.size:
                        break
                    yield piece
        except OSError as error:
            raise _damaged(self.source, error.strerror) from error
        if size != self.entry.size or digest.hexdigest() != self.entry.content:
            raise _damaged(self.source, f"its SHA-256 is {digest.hexdigest()}")


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A tree of the store: its directory name, its package (None of a bundle), its size in bytes, its paths."""

    name: str
    package: Package | None
    size: int
    leaves: dict[str, Leaf]


def read_tree(layout: Layout, path: Path) -> Tree:
    """Return the tree in the directory `path` of a store; raise `IntegrityError` `tree-damaged`."""
    record_path = layout.records / path.name
    if path.parent != layout.packages or not record_path.exists():
        return _tree(path, None, listing(path), owners=os.geteuid() == 0, times=False)
    record = decode_record(record_path.read_bytes(), record_path)
    is_base = record.package.file == path.name
    return _tree(
        path,
        record.package,
        record.content,
        owners=is_base and os.geteuid() == 0,
        times=record.package.ecosystem == "deb",
    )


def _tree(path: Path, package: Package | None, content: Content, *, owners: bool, times: bool) -> Tree:
    leaves: dict[str, Leaf] = {}
    first_names: dict[tuple[int, int], str] = {}
    for name in sorted(content):
        entry, source = content[name], f"{path}/{name}"
        status = _status(source)
        linked = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
        first = first_names.setdefault((status.st_dev, status.st_ino), name) if linked else name
        leaves[name] = Leaf(
            entry=msgspec.structs.replace(entry, uid=status.st_uid, gid=status.st_gid) if owners else entry,
            source=source,
            mtime_s=status.st_mtime_ns // 10**9 if times and not _has_own_time(name, content) else 0,
            same_as=first if first != name else None,
        )
    return Tree(name=path.name, package=package, size=sum(entry.size for entry in content.values()), leaves=leaves)


def _has_own_time(name: str, content: Content) -> bool:
    """Tell whether a path got its time when bytecode was compiled, which differs between stores."""
    return "/__pycache__/" in f"/{name}/" or f"{name}/__pycache__" in content


def _status(source: str) -> os.stat_result:
    try:
        return os.lstat(source)
    except OSError as error:
        raise _damaged(source, error.strerror) from error


def _damaged(where: str, why: str | None) -> IntegrityError:
    return IntegrityError(
        "a package is not in the store as it was put there",
        identifier="tree-damaged",
        where=where,
        why=why,
        hint="`breakbulk store verify` names what changed and mends it",
    )
