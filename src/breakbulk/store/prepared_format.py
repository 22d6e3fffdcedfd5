"""The bytes of a prepared package: what the tree is, then the contents of its files, each content once.

    preamble   magic, version, packed and unpacked size of the header, size of the contents; little-endian
    header     `Header` as msgpack, one zstd frame
    contents   every distinct content of the listing's files laid end to end in the order of `contents`, one zstd frame

The header comes first and says how much follows, so that whoever unpacks knows what to expect before it writes. Nothing
in it depends on who prepared the tree, where or when. Pure; `preparing` writes, `prepared_unpacking` reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from breakbulk.ecosystems.interface import Content, DebFacts
from breakbulk.errors import HubError, IntegrityError

__all__ = [
    "LEVEL",
    "PREAMBLE_BYTES",
    "Header",
    "Preamble",
    "contents",
    "damaged",
    "decode_header",
    "decode_preamble",
    "encode_header",
    "encode_preamble",
]

LEVEL = 3
"""Of zstd. Level 9 makes objects a tenth smaller and takes five times as long (ADR 0009)."""

_MAGIC = b"breakbulk tree\r\n"  # a transfer that changes line ends shows in the first bytes
_VERSION = 1
_PREAMBLE = struct.Struct("<16sIIIQ")
PREAMBLE_BYTES = _PREAMBLE.size
_HEADER_MAX_BYTES = 1 << 28  # the listing of a million paths


class Preamble(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes: of the header, packed and unpacked, and of the contents unpacked."""

    header_packed: int
    header: int
    contents: int


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a tree is besides the bytes of its files.

    Attributes:
        content: The listing, sorted by path.
        deb: A Debian package's control files.
        links: Hard links: each further name of a file, and the name that comes first.
        times: Modification times in nanoseconds since 1970 by path, "" being the root; left out where 0.
        root_mode: Permission bits of the tree's own directory.

    """

    content: Content
    deb: DebFacts | None = None
    links: dict[str, str] = {}
    times: dict[str, int] = {}
    root_mode: int = 0o755


def contents(header: Header) -> Iterator[tuple[str, list[str]]]:
    """Yield each distinct content as (SHA-256, paths of the files that have it), in the order of the object.

    Hard links are not among the paths.
    """
    paths: dict[str, list[str]] = {}
    for path in sorted(header.content):
        entry = header.content[path]
        if entry.kind == "file" and path not in header.links:
            paths.setdefault(entry.content, []).append(path)
    yield from paths.items()


def encode_preamble(preamble: Preamble) -> bytes:
    """Return the first bytes of an object."""
    return _PREAMBLE.pack(_MAGIC, _VERSION, preamble.header_packed, preamble.header, preamble.contents)


def decode_preamble(data: bytes, *, where: str) -> Preamble:
    """Return what the first bytes of an object say.

    Raises:
        HubError: `prepared-newer`, a later version of Breakbulk made it.
        IntegrityError: `prepared-damaged`.

    """
    if len(data) < PREAMBLE_BYTES or not data.startswith(_MAGIC):
        damaged(where, "it does not begin as one")
    _, version, header_packed, header, contents_size = _PREAMBLE.unpack(data[:PREAMBLE_BYTES])
    if version != _VERSION:
        raise HubError(
            "a prepared package has a format that this version does not know",
            identifier="prepared-newer",
            where=where,
            why=f"its format is {version}, known is {_VERSION}",
            hint="install the version of Breakbulk that pushed it, or a later one",
        )
    if header > _HEADER_MAX_BYTES:
        damaged(where, f"its header has {header} bytes, at most {_HEADER_MAX_BYTES} are allowed")
    return Preamble(header_packed=header_packed, header=header, contents=contents_size)


def encode_header(header: Header) -> bytes:
    """Return the unpacked bytes of the header; equal headers give equal bytes."""
    return msgspec.msgpack.encode(header, order="deterministic")


def decode_header(data: bytes, *, where: str) -> Header:
    """Return the header in `data`; raise `IntegrityError` `prepared-damaged`."""
    try:
        return msgspec.msgpack.decode(data, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        damaged(where, f"its header is none: {error}")


def damaged(where: str, why: str) -> NoReturn:
    """Raise the error for an object that is not what it should be."""
    raise IntegrityError(
        "a prepared package is damaged",
        identifier="prepared-damaged",
        where=where,
        why=why,
        hint="push the environment again, or have `breakbulk hub check` tell what else is damaged",
    )
