"""Zip archives, as wheels and releases use them.

Parsed by the standard library; refused besides what `tree` refuses: encryption, members that overlap (a small archive
made to unpack to a huge one), and names that the two directories of the format spell differently. Format: PKWARE
APPNOTE.TXT 6.3.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, BinaryIO

from breakbulk.ecosystems.extraction.names import member_path, refusal
from breakbulk.ecosystems.extraction.placing import AS_IS, Placement
from breakbulk.ecosystems.extraction.rules import STRANGER, Rules
from breakbulk.ecosystems.extraction.streams import PIECE_BYTES
from breakbulk.ecosystems.extraction.tree import Attributes, Tree
from breakbulk.ecosystems.interface import Content
from breakbulk.errors import ArchiveError

__all__ = ["extract_zip"]

_ENCRYPTED = 0x1
_LOCAL_HEADER_BYTES = 30
_UNIX = 3
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError)


def extract_zip(
    file: BinaryIO,
    into: Path,
    *,
    archive: str,
    packed_bytes: int,
    rules: Rules = STRANGER,
    placement: Placement = AS_IS,
) -> Content:
    """Extract a zip archive into the empty directory `into`; arguments and errors are those of `extract_tar`."""
    with Tree(into, archive=archive, rules=rules, packed_bytes=packed_bytes) as tree:
        try:
            with zipfile.ZipFile(file) as opened:
                _check_layout(opened.infolist(), archive, packed_bytes)
                _Extraction(tree, opened, archive, rules, placement).run()
        except _DAMAGED as error:
            raise _refuse(
                "the archive is damaged or cut short", "archive-truncated", archive, why=str(error)
            ) from error
        except (NotImplementedError, RuntimeError) as error:
            raise _refuse("the archive cannot be read", "archive-unsupported", archive, why=str(error)) from error
    return tree.content


class _Extraction:
    """One archive on its way into one tree."""

    def __init__(self, tree: Tree, opened: zipfile.ZipFile, archive: str, rules: Rules, placement: Placement) -> None:
        self._tree = tree
        self._opened = opened
        self._archive = archive
        self._rules = rules
        self._placement = placement

    def run(self) -> None:
        for member in self._opened.infolist():
            # `filename` is cut at the first NUL, `orig_filename` is what the archive says.
            name = member_path(member.orig_filename, archive=self._archive, rules=self._rules)
            mode = member.external_attr >> 16 if member.create_system == _UNIX else 0
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
                raise _refuse("a member is a device or a pipe", "archive-device", self._archive, name)
            path = self._placement.path(name)
            if path is not None:
                self._add(member, name, path, mode)

    def _add(self, member: zipfile.ZipInfo, name: str, path: str, mode: int) -> None:
        attributes = Attributes(mode=stat.S_IMODE(mode))
        if member.orig_filename.endswith("/") or stat.S_ISDIR(mode):
            self._tree.directory(path, attributes)
        elif stat.S_ISLNK(mode):
            self._tree.symbolic_link(path, self._placement.target(name, self._link(member)), attributes)
        else:
            with self._opened.open(member) as data:
                self._tree.file(path, self._chunks(data, member), attributes)

    def _chunks(self, data: IO[bytes], member: zipfile.ZipInfo) -> Iterator[bytes]:
        left = member.file_size
        while chunk := data.read(PIECE_BYTES):
            left -= len(chunk)
            yield chunk
        if left:
            raise _refuse("a member is cut short", "archive-truncated", self._archive, member.orig_filename)

    def _link(self, member: zipfile.ZipInfo) -> str:
        if member.file_size > self._rules.limits.path_bytes:
            raise _refuse("the target of a link is too long", "archive-bomb", self._archive, member.orig_filename)
        return self._opened.read(member).decode("utf-8", "surrogateescape")


def _refuse(
    message: str, identifier: str, archive: str, member: str | None = None, why: str | None = None
) -> ArchiveError:
    return refusal(message, identifier=identifier, archive=archive, member=member, why=why)


def _check_layout(members: list[zipfile.ZipInfo], archive: str, packed_bytes: int) -> None:
    for member in members:
        if not 0 <= member.header_offset <= member.header_offset + member.compress_size <= packed_bytes:
            raise _refuse("a member is outside of the archive", "archive-truncated", archive, member.orig_filename)
        if member.flag_bits & _ENCRYPTED:
            raise _refuse("a member is encrypted", "archive-unsupported", archive, member.orig_filename)
    for earlier, later in pairwise(sorted(members, key=lambda member: member.header_offset)):
        least = _LOCAL_HEADER_BYTES + earlier.compress_size
        if later.header_offset < earlier.header_offset + least:
            raise _refuse("members overlap", "archive-bomb", archive, later.orig_filename)
