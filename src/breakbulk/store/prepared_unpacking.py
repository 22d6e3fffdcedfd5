"""Make the tree of a package from its prepared object. Runs in worker processes, as unpacking an archive does.

The object's SHA-256 has been compared before, and is again while it is read, as the file of a hub in a directory may
be replaced at any moment. The listing in its header must be the tree that was vouched for before anything is written;
every file is compared with the listing while it is written, and what is written is bound by what the listing says.

`extraction.tree` does the writing, so that nothing leaves the tree and what reaches the disk is what unpacking the
archive would have put there. Owners, capabilities and setuid programs are for Debian packages only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from breakbulk.ecosystems.extraction.names import member_path
from breakbulk.ecosystems.extraction.rules import DEBIAN, OWN
from breakbulk.ecosystems.extraction.streams import PIECE_BYTES, Readable, Stream
from breakbulk.ecosystems.extraction.tree import Attributes, Tree
from breakbulk.ecosystems.interface import Unpacked
from breakbulk.errors import ArchiveError
from breakbulk.lock.model import Package, Python
from breakbulk.store.prepared import Offer
from breakbulk.store.prepared_format import (
    PREAMBLE_BYTES,
    Header,
    Preamble,
    contents,
    damaged,
    decode_header,
    decode_preamble,
)
from breakbulk.store.records import tree_digest

__all__ = ["PreparedUnpacking"]

_AGAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class PreparedUnpacking(msgspec.Struct, frozen=True, kw_only=True):
    """Unpacks the object of one offer, as an ecosystem unpacks an archive."""

    offer: Offer

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:  # noqa: ARG002 - an ecosystem's
        """Unpack a verified object into the empty directory `into`.

        Raises:
            IntegrityError: `prepared-damaged`, it does not become the tree that was vouched for.
            ArchiveError: It holds what must not be unpacked.
            HubError: `prepared-newer`.
            OSError: The target cannot be written.

        """
        where = f"{package.id}: {self.offer.origin}"
        with archive.open("rb") as opened:
            file = _Digested(opened)
            preamble = decode_preamble(file.read(PREAMBLE_BYTES), where=where)
            header = decode_header(_header_bytes(file, preamble, where), where=where)
            unpacking = _Unpacking(header, package, where)
            unpacking.compare(preamble, self.offer)
            try:
                unpacking.write(file, into)
            except ArchiveError as error:
                if error.reference != "archive-truncated":
                    raise
                damaged(where, error.why or error.message)
            if file.digest.hexdigest() != self.offer.sha256:
                damaged(where, "it changed while it was read")
        return Unpacked(content=header.content, deb=header.deb)


class _Digested:
    """A file whose bytes are digested as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _header_bytes(file: Readable, preamble: Preamble, where: str) -> bytes:
    import zstandard

    packed = file.read(preamble.header_packed)
    try:
        header = zstandard.ZstdDecompressor().decompress(packed, max_output_size=preamble.header + 1)
    except zstandard.ZstdError as error:
        damaged(where, str(error))
    if len(header) != preamble.header:
        damaged(where, f"its header has {len(header)} bytes and not {preamble.header}")
    return header


class _Unpacking:
    """One object whose header has been read, on its way into a tree."""

    def __init__(self, header: Header, package: Package, where: str) -> None:
        self._header = header
        self._content = header.content
        self._contents = list(contents(header))
        self._rules = DEBIAN if package.ecosystem == "deb" else OWN
        self._where = where

    def compare(self, preamble: Preamble, offer: Offer) -> None:
        """See that this is the tree that was vouched for, that sizes are what they say, and names such as may be."""
        found = tree_digest(self._content, self._header.deb)
        if found != offer.tree:
            damaged(self._where, f"it holds the tree {found}, vouched for is {offer.tree}")
        size = sum(entry.size for entry in self._content.values())
        distinct = sum(self._content[paths[0]].size for _, paths in self._contents)
        if (size, distinct) != (offer.unpacked_size, preamble.contents):
            damaged(self._where, f"its files have {size} bytes, announced were {offer.unpacked_size}")
        if not self._header.links.keys() <= self._content.keys():
            damaged(self._where, "it has hard links that its listing does not have")
        for path in self._content:
            if not path or member_path(path, archive=self._where, rules=self._rules) != path:
                damaged(self._where, f"its listing has the name {path!r}")

    def write(self, file: Readable, into: Path) -> None:
        """Write the tree, and see that it is what the listing says."""
        with Tree(into, archive=self._where, rules=self._rules) as tree:
            self._write_directories(tree)
            self._write_files(tree, Stream(file, archive=self._where), into)
            self._write_links(tree)
        if tree.content != self._content:
            damaged(self._where, "its listing holds what only Debian packages may have")

    def _write_directories(self, tree: Tree) -> None:
        tree.directory("", Attributes(mode=self._header.root_mode, mtime_ns=self._header.times.get("", 0)))
        for path in sorted(self._content):
            if self._content[path].kind == "directory":
                tree.directory(path, self._attributes(path))

    def _write_files(self, tree: Tree, stream: Stream, into: Path) -> None:
        for digest, paths in self._contents:
            for path in paths:
                size = self._content[path].size
                data = stream.chunks(size, path) if path is paths[0] else _again(into / paths[0])
                tree.file(path, data, self._attributes(path))
                if tree.content[path].content != digest:
                    damaged(self._where, f"/{path} is not what its listing says")
        if any(stream.drain()):
            damaged(self._where, "it goes on after its last file")

    def _write_links(self, tree: Tree) -> None:
        for path, first in self._header.links.items():
            tree.hard_link(path, first)
        for path, entry in self._content.items():
            if entry.kind == "link":
                tree.symbolic_link(path, entry.content, self._attributes(path))

    def _attributes(self, path: str) -> Attributes:
        entry = self._content[path]
        return Attributes(
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            mtime_ns=self._header.times.get(path, 0),
            capability=entry.capability,
        )


def _again(path: Path) -> Iterator[bytes]:
    """Read a file that was just written, for another one with the same content."""
    descriptor = os.open(path, _AGAIN)
    try:
        while piece := os.read(descriptor, PIECE_BYTES):
            yield piece
    finally:
        os.close(descriptor)
