"""What a store knows of a package beside its tree: the listing, a Debian package's control files, digest and size.

A record is one msgpack file, written before its tree takes its name: where the tree is, the record is. Nothing on the
way to a command reads one; conflicts, the base package and `store list` do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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
        tree: Digest of all this but the package (`tree_digest`).
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
        tree=tree_digest(content, deb),
        files=sum(entry.kind != "directory" for entry in content.values()),
        size=sum(entry.size for entry in content.values()),
        deb=deb,
    )


def tree_digest(content: Content, deb: DebFacts | None) -> str:
    """Return the SHA-256 that identifies a tree by what is in it, and by what else decides a root made of it.

    Over each path in order of code points, the UTF-8 of: kind, mode in octal, size in decimal, content, path; each
    followed by a zero byte. After a path whose owners or capability are not those of most: `owner`, user and group in
    decimal, capability in hexadecimal, path. At the end, of a Debian package, `control`, `md5sums` and each `script` in
    order of names: that word, nothing, size, SHA-256, name. Times are not part of it.
    """
    digest = hashlib.sha256()
    for path in sorted(content):
        entry = content[path]
        line = f"{entry.kind}\0{entry.mode:o}\0{entry.size}\0{entry.content}\0{path}\0"
        if entry.uid or entry.gid or entry.capability is not None:
            line += f"owner\0{entry.uid}\0{entry.gid}\0{_hexadecimal(entry.capability)}\0{path}\0"
        digest.update(line.encode("utf-8", "surrogateescape"))
    for line in _control_lines(deb) if deb else ():
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _hexadecimal(capability: bytes | None) -> str:
    return "none" if capability is None else capability.hex()


def _control_lines(deb: DebFacts) -> Iterator[str]:
    """Yield what the base package is made by: no file of the tree, but decisive for what runs."""
    members = [("control", "", deb.control), ("md5sums", "", deb.md5sums)]
    members += [("script", name, deb.scripts[name]) for name in sorted(deb.scripts)]
    for kind, name, text in members:
        data = text.encode("utf-8", "surrogateescape")
        yield f"{kind}\0\0{len(data)}\0{hashlib.sha256(data).hexdigest()}\0{name}\0"


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
