"""Indices decompressed, never further than their signed size: a small file must not fill the memory."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Protocol

from breakbulk.errors import IntegrityError

__all__ = ["decompressed"]

LARGEST_INDEX = 1 << 30
"""Bytes of an index whose uncompressed size its Release does not say."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def decompressed(body: bytes, path: str, *, limit: int | None) -> bytes:
    """Return the text of an index by its suffix, at most one byte more than `limit`.

    Raises:
        IntegrityError: `deb-index-mismatch`: the bytes are not of that format, or end early.

    """
    most = (LARGEST_INDEX if limit is None else limit) + 1
    try:
        if path.endswith(".zst"):
            return _zstandard(body, most)
        if (decompressor := _decompressor(path)) is None:
            return body[:most]
        text = decompressor.decompress(body, most)
    except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not decompressor.eof and len(text) < most:
        raise _damaged(path, "it ends early")
    return text


def _decompressor(path: str) -> _Decompressor | None:
    if path.endswith(".xz"):
        return lzma.LZMADecompressor(memlimit=LARGEST_INDEX)
    if path.endswith(".gz"):
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    if path.endswith(".bz2"):
        return bz2.BZ2Decompressor()
    return None


def _zstandard(body: bytes, most: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body) as reader:
            return bytes(reader.read(most))
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _damaged(path: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"the index {path} cannot be decompressed",
        identifier="deb-index-mismatch",
        where=path,
        why=why,
        hint="the mirror is damaged: use another one",
    )
