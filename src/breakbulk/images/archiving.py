"""A layer as a compressed tar archive: equal content gives equal bytes.

Names are in order, times and owners are those of the content, and nothing says who made it or when. Written in the pax
format, with capabilities as container engines have them (`SCHILY.xattr.`), and gzip, which every engine reads.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from breakbulk.errors import UsageError
from breakbulk.images.content import Leaf

__all__ = ["Layer", "write_layer"]

_LEVEL = 6
_GZIP = 31  # window bits of zlib: gzip header, without a name and with time 0
_WHITEOUT = ".wh."


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """An archived layer: SHA-256 of the compressed and of the plain archive, size of the former in bytes."""

    digest: str
    plain_digest: str
    size: int
    path: Path
    title: str


def write_layer(title: str, leaves: Mapping[str, Leaf], path: Path) -> Layer:
    """Write `leaves` to the file `path`.

    Raises:
        IntegrityError: `tree-damaged`.
        UsageError: `image-name-reserved`.
        OSError: It cannot be written.

    """
    with path.open("wb") as file:
        target = _Target(file)
        with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as archive:
            for name, leaf in leaves.items():
                _add(archive, name, leaf)
        target.finish()
    return Layer(
        digest=target.digest.hexdigest(),
        plain_digest=target.plain.hexdigest(),
        size=target.size,
        path=path,
        title=title,
    )


def _add(archive: tarfile.TarFile, name: str, leaf: Leaf) -> None:
    entry = leaf.entry
    if name.rpartition("/")[2].startswith(_WHITEOUT):
        raise _reserved(name)
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, leaf.mtime_s
    if entry.kind == "directory":
        info.type = tarfile.DIRTYPE
    elif entry.kind == "link":
        info.type, info.linkname = tarfile.SYMTYPE, entry.content
    elif leaf.same_as is not None:
        info.type, info.linkname = tarfile.LNKTYPE, leaf.same_as
    else:
        info.size = entry.size
        if entry.capability is not None:
            value = entry.capability.decode("utf-8", "surrogateescape")
            info.pax_headers = {"SCHILY.xattr.security.capability": value}
        archive.addfile(info, _Pieces(leaf))
        return
    archive.addfile(info)


class _Pieces(io.RawIOBase):
    """The bytes of a leaf as the file that `tarfile` reads; ends with an error when they are not what was promised."""

    def __init__(self, leaf: Leaf) -> None:
        self._pieces = leaf.pieces()
        self._left = leaf.entry.size
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        while len(self._held) < size and (piece := next(self._pieces, b"")):
            self._held += piece
        data, self._held = self._held[:size], self._held[size:]
        self._left -= len(data)
        if not self._left and not self._held:
            next(self._pieces, b"")  # the digest is compared after the last piece
        return data


class _Target(io.RawIOBase):
    """Compresses, and counts and digests on both sides."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self.digest, self.plain = hashlib.sha256(), hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Take bytes of the plain archive."""
        self.plain.update(data)
        self._put(self._compressor.compress(data))
        return len(data)

    def finish(self) -> None:
        """Write what is held back."""
        self._put(self._compressor.flush())

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)


def _reserved(name: str) -> UsageError:
    return UsageError(
        "this environment cannot be an image: a name in it means a removal there",
        identifier="image-name-reserved",
        where=name,
        hint="leave the package that has it out",
    )
