"""What a store knows of a package beside its tree: the listing, a Debian package's control files, digest and size.

A record is one msgpack file, written before its tree takes its name: where the tree is, the record is. Nothing on the
way to a command reads one; conflicts, the base package and `store list` do.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from breakbulk.ecosystems.interface import Content, DebFacts
from breakbulk.errors import StoreError
from breakbulk.lock.model import Package
from breakbulk.store.layout import Layout

__all__ = ["Record", "decode_record", "encode_record", "make_record", "read_record", "tree_digest"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one tree.

    Attributes:
        package: As in the lock that brought it here first; names, versions and reasons may differ in another lock.
        content: The listing of the whole tree, bytecode included.
        tree: Digest of the listing (`tree_digest`).
        files: Number of files and symbolic links.
        size: Sum of the sizes of the files, in bytes.
        deb: A Debian package's control files.

    """

    package: Package
    content: Content
    tree: str
    files: int
    size: int
    deb: DebFacts | None = None


def make_record(package: Package, content: Content, deb: DebFacts | None) -> Record:
    """Return the record of a tree with this listing."""
    return Record(
        package=package,
        content=content,
        tree=tree_digest(content),
        files=sum(entry.kind != "directory" for entry in content.values()),
        size=sum(entry.size for entry in content.values()),
        deb=deb,
    )


def tree_digest(content: Content) -> str:
    """Return the SHA-256 that identifies a tree by what is in it.

    Over each path in order of code points, the UTF-8 of: kind, mode in octal, size in decimal, content, path; each
    followed by a zero byte. Times and owners are not part of it.
    """
    digest = hashlib.sha256()
    for path in sorted(content):
        entry = content[path]
        line = f"{entry.kind}\0{entry.mode:o}\0{entry.size}\0{entry.content}\0{path}\0"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def encode_record(record: Record) -> bytes:
    """Return the bytes of the record's file."""
    return msgspec.msgpack.encode(record)


def decode_record(data: bytes, path: Path) -> Record:
    """Return the record in `data`, read from `path`; raise `StoreError` `record-damaged`."""
    try:
        return msgspec.msgpack.decode(data, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def read_record(layout: Layout, package: Package) -> Record:
    """Return the record of a package that is present.

    Raises:
        StoreError: `record-damaged`, when it is missing or not one.

    """
    path = layout.record(package)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise _damaged(path, "the file is missing") from error
    return decode_record(data, path)


def _damaged(path: Path, why: str) -> StoreError:
    tree = path.parent.parent / "packages" / path.name
    return StoreError(
        "the record of a package cannot be read",
        identifier="record-damaged",
        where=str(path),
        why=why,
        hint=f"remove the package and realise again: `rm -rf {tree} {path}`",
    )
