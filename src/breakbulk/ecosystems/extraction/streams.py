"""Archives as forward-only streams of uncompressed bytes, in bounded memory.

The compression is told by its magic number. No call makes more than `PIECE_BYTES` at once, however well the bytes were
compressed, and a stream that ends before its format says so is `archive-truncated`.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from breakbulk.ecosystems.extraction.names import refusal

__all__ = ["COMPRESSIONS", "PIECE_BYTES", "Readable", "Stream", "compression_of"]

PIECE_BYTES = 1 << 20
_READ_BYTES = 1 << 18
# The largest dictionaries of `zstd --ultra -22` and `xz -9` are 128 and 64 MiB.
_ZSTD_WINDOW_BYTES = 1 << 27
_XZ_MEMORY_BYTES = 1 << 29

COMPRESSIONS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst"}


def compression_of(start: bytes) -> str | None:
    """Return `gz`, `bz2`, `xz` or `zst` after the first bytes of a file, None when they are not compressed."""
    return next((name for magic, name in COMPRESSIONS.items() if start.startswith(magic)), None)


class Readable(Protocol):
    """Whatever gives bytes forwards: a file, or a part of one."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


class Stream:
    """Uncompressed bytes of `file` from where it stands, once, forwards."""

    def __init__(self, file: Readable, *, archive: str, read_limit: int = PIECE_BYTES) -> None:
        self._pieces = _pieces(file, archive)
        self._piece = memoryview(b"")
        self._position = 0
        self._archive = archive
        self._read_limit = read_limit

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end. `tarfile` reads its headers with this.

        Raises `ArchiveError` `archive-bomb` above the read limit: nobody needs a header that large.
        """
        if size > self._read_limit:
            raise refusal("a header is too large", identifier="archive-bomb", archive=self._archive)
        taken = b"".join(self._take(size))
        self._position += len(taken)
        return taken

    def chunks(self, size: int, member: str) -> Iterator[memoryview]:
        """Yield exactly `size` bytes in pieces, valid until the next one; raise `archive-truncated` at an early end."""
        left = size
        for chunk in self._take(size):
            left -= len(chunk)
            self._position += len(chunk)
            yield chunk
        if left:
            raise refusal("the archive ends inside a member", identifier=_DAMAGED, archive=self._archive, member=member)

    def drain(self) -> Iterator[int]:
        """Read to the end, so that the compression's own check runs; yield the sizes for whoever counts."""
        yield len(self._piece)
        for piece in self._pieces:
            yield len(piece)

    def _take(self, size: int) -> Iterator[memoryview]:
        while size > 0:
            if not self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._piece = memoryview(piece)
            chunk = self._piece[:size]
            self._piece = self._piece[size:]
            size -= len(chunk)
            yield chunk


_DAMAGED = "archive-truncated"


class _Decompressor(Protocol):
    """What `lzma` and `bz2` offer, and `_Deflate` after them."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Deflate:
    """`zlib` with the interface of `lzma`: the unread rest of the input is kept here."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gz": _Deflate,
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES),
}


def _pieces(file: Readable, archive: str) -> Iterator[bytes]:
    start = file.read(_READ_BYTES)
    compression = compression_of(start)
    if compression is None:
        return _plain(start, file)
    if compression == "zst":
        return _zstd(start, file, archive)
    return _streamed(start, file, archive, _DECOMPRESSORS[compression])


def _plain(start: bytes, file: Readable) -> Iterator[bytes]:
    while start:
        yield start
        start = file.read(PIECE_BYTES)


def _streamed(data: bytes, file: Readable, archive: str, new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Decompress streams laid one behind the other, as gzip, bzip2 and xz allow; padding between them is zeros."""
    while data:
        decompressor = new()
        while not decompressor.eof:
            if decompressor.needs_input and not data:
                data = file.read(_READ_BYTES)
                if not data:
                    raise refusal("the archive ends early", identifier=_DAMAGED, archive=archive)
            piece = _decompress(decompressor, data, archive)
            data = b""
            if piece:
                yield piece
        data = decompressor.unused_data.lstrip(b"\0")
        while not data and (more := file.read(_READ_BYTES)):
            data = more.lstrip(b"\0")


def _decompress(decompressor: _Decompressor, data: bytes, archive: str) -> bytes:
    try:
        return decompressor.decompress(data, PIECE_BYTES)
    except (zlib.error, lzma.LZMAError, EOFError, OSError) as error:  # bz2 raises OSError for bad data
        raise refusal("the archive is damaged", identifier=_DAMAGED, archive=archive, why=str(error)) from error


class _Ahead:
    """A file with its first bytes given back."""

    def __init__(self, start: bytes, file: Readable) -> None:
        self._start = start
        self._file = file

    def read(self, size: int, /) -> bytes:
        if self._start:
            taken, self._start = self._start[:size], self._start[size:]
            return taken
        return self._file.read(size)


def _zstd(start: bytes, file: Readable, archive: str) -> Iterator[bytes]:
    import zstandard  # not for archives without it: it costs as much as unpacking a small one

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    reader = decompressor.stream_reader(_Ahead(start, file), read_size=_READ_BYTES, read_across_frames=True)  # type: ignore[arg-type]
    while True:
        try:
            piece = reader.read(PIECE_BYTES)
        except zstandard.ZstdError as error:
            raise refusal("the archive is damaged", identifier=_DAMAGED, archive=archive, why=str(error)) from error
        if not piece:
            return
        yield piece
