"""The members of a wheel on disk, read as fast as they can be inflated (ISA-L does it in half of zlib's time).

A wheel is a zip file of which only a part of the format is used: stored and deflated members, no encryption.
Members are taken from the archive mapped into memory by what the central directory says; whatever the two
descriptions of a member (central and local) disagree on, and bytes that two members share, are refused, as they are
how one archive shows different content to different readers. Digests are the caller's matter: RECORD has one of
every file.

Format: PKWARE APPNOTE 4.3; wheels: https://packaging.python.org/specifications/binary-distribution-format/
"""

from __future__ import annotations

import mmap
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from isal import isal_zlib as zlib
from isal.igzip_lib import IsalError

from breakbulk.ecosystems.extraction.names import member_path, refusal
from breakbulk.ecosystems.extraction.rules import STRANGER
from breakbulk.errors import ArchiveError

__all__ = ["ArchiveMembers"]

_LOCAL_HEADER = struct.Struct("<4s5HLLL2H")
_ENCRYPTED = 0x1
_UTF8 = 0x800
_WHOLE_BYTES = 32 << 20  # members up to this size are decompressed in one call
_PIECE_BYTES = 4 << 20


class ArchiveMembers:
    """The files of the wheel at `path`, in the order of the archive; a context manager.

    Raises `ArchiveError` for an archive that is damaged, ambiguous, or holds what no wheel has (links, devices).
    `name` is the archive's name in errors.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        with path.open("rb") as file:
            self.packed_bytes = path.stat().st_size
            try:
                with zipfile.ZipFile(file) as archive:
                    infos = archive.infolist()
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
                raise self._damaged(f"it is not a zip file: {error}") from error
        self.files: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._admit(info)
        self._check_overlap()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bytes.close()

    def read(self, member: str) -> bytes:
        """Return a whole member; meant for the small ones that describe the wheel."""
        return b"".join(self.chunks(self.files[member]))

    def chunks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield exactly the bytes that the central directory promises; raise `ArchiveError` otherwise."""
        start = self._data_start(info)
        end = start + info.compress_size
        if end > len(self._bytes):
            raise self._damaged("it ends inside a member", info.filename)
        if info.compress_type == zipfile.ZIP_STORED:
            yield from self._stored(info, start, end)
        elif info.file_size <= _WHOLE_BYTES:
            yield self._inflated(info, self._bytes[start:end])
        else:
            yield from self._inflated_pieces(info, start, end)

    def is_executable(self, info: zipfile.ZipInfo) -> bool:
        """Return whether the archive marks a file as a program."""
        mode = info.external_attr >> 16
        return bool(mode & 0o111) and (stat.S_ISREG(mode) or not stat.S_IFMT(mode))

    def refuse(self, message: str, identifier: str, member: str | None = None, why: str | None = None) -> ArchiveError:
        """Return the error that names this archive and one of its members."""
        return refusal(message, identifier=identifier, archive=self.name, member=member, why=why)

    def _admit(self, info: zipfile.ZipInfo) -> None:
        path = member_path(info.orig_filename, archive=self.name, rules=STRANGER)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise self.refuse("a member is neither a file nor a directory", "archive-member-kind", path)
        if (info.external_attr >> 16) & 0o6000:
            raise self.refuse("a program is setuid or setgid", "archive-setuid", path)
        if info.filename.endswith("/"):
            return
        if not path or path != info.filename:
            raise self.refuse("a member's name has another meaning than its words", "archive-name-invalid", path)
        if info.filename in self.files:
            raise self.refuse("two members of the archive have one name", "archive-name-collision", path)
        if info.flag_bits & _ENCRYPTED or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise self.refuse(
                "a member is encrypted or packed in a way that wheels are not", "archive-unsupported", path
            )
        self.files[info.filename] = info

    def _check_overlap(self) -> None:
        """Refuse members that share bytes: so little becomes so much ("zip quine", overlapping bombs)."""
        end = 0
        for info in sorted(self.files.values(), key=lambda each: each.header_offset):
            if info.header_offset < end:
                raise self.refuse("two members share bytes of the archive", "archive-bomb", info.filename)
            end = info.header_offset + _LOCAL_HEADER.size + info.compress_size

    def _data_start(self, info: zipfile.ZipInfo) -> int:
        """Return where a member's data begin, once its local header agrees with the central directory."""
        offset = info.header_offset
        try:
            magic, _, flags, packing, *_, name_length, extra_length = _LOCAL_HEADER.unpack_from(self._bytes, offset)
        except struct.error as error:
            raise self._damaged("it ends inside a header", info.filename) from error
        name = self._bytes[offset + _LOCAL_HEADER.size : offset + _LOCAL_HEADER.size + name_length]
        encoding = "utf-8" if flags & _UTF8 else "cp437"
        agreed = magic == b"PK\x03\x04" and packing == info.compress_type
        if not agreed or name.decode(encoding, "replace") != info.orig_filename:
            raise self._damaged("its two descriptions of a member differ", info.filename)
        return offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)

    def _stored(self, info: zipfile.ZipInfo, start: int, end: int) -> Iterator[bytes]:
        if end - start != info.file_size:
            raise self._damaged("the size of a member is not the promised one", info.filename)
        for position in range(start, end, _PIECE_BYTES):
            yield self._bytes[position : min(position + _PIECE_BYTES, end)]

    def _inflated(self, info: zipfile.ZipInfo, packed: bytes) -> bytes:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = stream.decompress(packed, info.file_size + 1)  # one more shows a member that is too long
        except IsalError as error:  # type: ignore[misc]  # its stub says less than it is
            raise self._damaged(f"a member cannot be unpacked: {error}", info.filename) from error
        if len(data) != info.file_size or not stream.eof:
            raise self._damaged("the size of a member is not the promised one", info.filename)
        return data

    def _inflated_pieces(self, info: zipfile.ZipInfo, start: int, end: int) -> Iterator[bytes]:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        left = info.file_size
        for position in range(start, end, _PIECE_BYTES):
            packed = self._bytes[position : min(position + _PIECE_BYTES, end)]
            while packed and not stream.eof:
                try:
                    data = stream.decompress(packed, _PIECE_BYTES)
                except IsalError as error:  # type: ignore[misc]  # its stub says less than it is
                    raise self._damaged(f"a member cannot be unpacked: {error}", info.filename) from error
                left -= len(data)
                if left < 0:
                    break
                yield data
                packed = stream.unconsumed_tail
        if left or not stream.eof:
            raise self._damaged("the size of a member is not the promised one", info.filename)

    def _damaged(self, why: str, member: str | None = None) -> ArchiveError:
        return self.refuse("the archive is damaged", "archive-truncated", member, why)
