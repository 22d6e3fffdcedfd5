"""Make the object of a prepared package from a tree in the store and its record.

Every file is compared with the record while it is read, so a tree that was damaged is never published. Counterpart of
`prepared_unpacking`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from breakbulk.ecosystems.interface import Entry
from breakbulk.errors import IntegrityError
from breakbulk.lock.model import Package
from breakbulk.store.layout import Layout
from breakbulk.store.prepared import Prepared
from breakbulk.store.prepared_format import LEVEL, Header, Preamble, contents, encode_header, encode_preamble
from breakbulk.store.records import Record, read_record

__all__ = ["prepare"]

_PIECE_BYTES = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(layout: Layout, package: Package, into: Path) -> Prepared:
    """Write the object that holds the tree of `package`, which is present, to the file `into`.

    Equal trees give equal bytes, whoever prepares them and wherever.

    Raises:
        IntegrityError: `tree-damaged`, a file is not what the record says.
        StoreError: `record-damaged`.
        OSError: `into` cannot be written; what is there of it is of no use.

    """
    import zstandard

    record = read_record(layout, package)
    tree = _Tree(layout.tree(package), package, record)
    header = tree.header()
    first_paths = [paths[0] for _, paths in contents(header)]
    encoded = encode_header(header)
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(encoded)
    size = sum(record.content[path].size for path in first_paths)
    with into.open("wb") as file:
        target = _Target(file)
        target.write(encode_preamble(Preamble(header_packed=len(packed), header=len(encoded), contents=size)) + packed)
        compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj(size=size)
        for path in first_paths:
            for piece in tree.pieces(path):
                target.write(compressor.compress(piece))
        target.write(compressor.flush())
    return Prepared(sha256=target.digest.hexdigest(), size=target.size, tree=record.tree, unpacked_size=record.size)


class _Target:
    """The object in the making, its size and digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)


class _Tree:
    """A tree in the store, held against its record."""

    def __init__(self, root: Path, package: Package, record: Record) -> None:
        self._root = str(root)
        self._package = package
        self._record = record

    def header(self) -> Header:
        """Look at every path but no content; return what the tree is."""
        content = self._record.content
        first_names: dict[tuple[int, int], str] = {}
        links: dict[str, str] = {}
        times: dict[str, int] = {}
        keeps_times = self._package.ecosystem == "deb"
        for path in sorted(content):
            status = self._status(path)
            self._compare(path, content[path], status)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                name = first_names.setdefault((status.st_dev, status.st_ino), path)
                if name != path:
                    links[path] = name
            if keeps_times and path not in links and status.st_mtime_ns and not self._holds_bytecode(path):
                times[path] = status.st_mtime_ns
        root = self._status("")
        if keeps_times and root.st_mtime_ns:
            times[""] = root.st_mtime_ns
        return Header(
            content={path: content[path] for path in sorted(content)},
            deb=self._record.deb,
            links=links,
            times=times,
            root_mode=stat.S_IMODE(root.st_mode),
        )

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file; raise `tree-damaged` at the end when they are not those of the record."""
        digest = hashlib.sha256()
        for piece in self._read(path):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != self._record.content[path].content:
            self._damaged(path, f"its SHA-256 is {digest.hexdigest()}")

    def _read(self, path: str) -> Iterator[bytes]:
        try:
            descriptor = os.open(f"{self._root}/{path}", _READ)
        except OSError as error:
            self._damaged(path, error.strerror)
        try:
            while piece := os.read(descriptor, _PIECE_BYTES):
                yield piece
        finally:
            os.close(descriptor)

    def _status(self, path: str) -> os.stat_result:
        try:
            return os.lstat(f"{self._root}/{path}")
        except OSError as error:
            self._damaged(path, error.strerror)

    def _compare(self, path: str, entry: Entry, status: os.stat_result) -> None:
        """See that a path is of the kind that the record says, and has its size or target."""
        kind = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "directory"}.get(stat.S_IFMT(status.st_mode))
        if kind != entry.kind:
            self._damaged(path, f"it is a {kind or 'device'}, the record says {entry.kind}")
        if kind == "file" and status.st_size != entry.size:
            self._damaged(path, f"it has {status.st_size} bytes, the record says {entry.size}")
        if kind == "link" and (target := str(Path(self._root, path).readlink())) != entry.content:
            self._damaged(path, f"it points to {target}, the record says {entry.content}")

    def _holds_bytecode(self, path: str) -> bool:
        """Tell whether a path got its time when bytecode was compiled, which differs between stores."""
        return "/__pycache__/" in f"/{path}/" or f"{path}/__pycache__" in self._record.content

    def _damaged(self, path: str, why: str | None) -> NoReturn:
        raise IntegrityError(
            f"{self._package.name} is not in the store as it was put there",
            identifier="tree-damaged",
            where=f"{self._root}/{path}",
            why=why,
            hint="`breakbulk store verify` names what changed and mends it",
        )
