"""The three members of a Debian package: `debian-binary`, `control.tar` and `data.tar`.

A Debian package is an ar(5) archive; deb(5) says which members it has, in which order, and how they are compressed.
Sizes are checked against the file, so that a member never reaches into the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from breakbulk.ecosystems.extraction import refusal
from breakbulk.errors import ArchiveError

__all__ = ["Part", "control_and_data"]

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_HEADER_END = b"`\n"
_SIZE = slice(48, 58)
_CONTROL = {"control.tar", "control.tar.gz", "control.tar.xz", "control.tar.zst"}
_DATA = {"data.tar", "data.tar.gz", "data.tar.bz2", "data.tar.xz", "data.tar.zst"}


class _Member(msgspec.Struct, frozen=True):
    name: str
    offset: int
    size: int


class Part:
    """One member as a file of its own that ends where the member does."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self.size = size
        self._file = file
        self._offset = offset
        self._left = size

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end of the member."""
        self._file.seek(self._offset + self.size - self._left)
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def control_and_data(file: BinaryIO, archive: str) -> tuple[Part, Part]:
    """Return the control and the data member; raise `ArchiveError` for what is no Debian package 2.x."""
    members = _members(file, archive)
    first = next(members, None)
    if first is None or first.name != "debian-binary" or not Part(file, first.offset, first.size).read(2) == b"2.":
        raise _refuse("it does not begin with debian-binary 2.x", archive)
    # Members whose names begin with an underscore may stand anywhere, for others to use: deb(5).
    rest = (member for member in members if not member.name.startswith("_"))
    control, data = next(rest, None), next(rest, None)
    if control is None or control.name not in _CONTROL:
        raise _refuse("its second member is no control.tar", archive)
    if data is None or data.name not in _DATA:
        raise _refuse("its third member is no data.tar of a known compression", archive)
    return Part(file, control.offset, control.size), Part(file, data.offset, data.size)


def _members(file: BinaryIO, archive: str) -> Iterator[_Member]:
    end = os.fstat(file.fileno()).st_size
    if file.read(len(_MAGIC)) != _MAGIC:
        raise _refuse("it is no ar archive", archive)
    offset = len(_MAGIC)
    while offset < end:
        file.seek(offset)
        header = file.read(_HEADER_BYTES)
        digits = header[_SIZE].strip(b" ")
        if len(header) != _HEADER_BYTES or not header.endswith(_HEADER_END) or not digits.isdigit():
            raise refusal("a member's header is damaged", identifier="archive-truncated", archive=archive)
        name = header[:16].decode("ascii", "replace").rstrip(" ").removesuffix("/")
        member = _Member(name, offset + _HEADER_BYTES, int(digits))
        offset = member.offset + member.size + member.size % 2
        if member.offset + member.size > end:
            raise refusal("the archive ends early", identifier="archive-truncated", archive=archive, member=name)
        yield member


def _refuse(why: str, archive: str) -> ArchiveError:
    return refusal("the file is no Debian package", identifier="archive-unsupported", archive=archive, why=why)
