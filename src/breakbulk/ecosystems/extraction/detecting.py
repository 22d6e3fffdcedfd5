"""Which format an archive has, told from its bytes and never from its name."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from breakbulk.ecosystems.extraction.names import refusal
from breakbulk.ecosystems.extraction.placing import AS_IS, Placement
from breakbulk.ecosystems.extraction.rules import STRANGER, Rules
from breakbulk.ecosystems.extraction.streams import Stream
from breakbulk.ecosystems.extraction.tar import extract_tar
from breakbulk.ecosystems.extraction.zip import extract_zip
from breakbulk.ecosystems.interface import Content

__all__ = ["extract"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_BLOCK_BYTES = 512
_TAR_MAGIC = slice(257, 262)


def extract(path: Path, into: Path, *, archive: str, rules: Rules = STRANGER, placement: Placement = AS_IS) -> Content:
    """Extract the tar or zip archive `path`, compressed or not, into the empty directory `into`.

    Arguments and errors are those of `extract_tar`; `archive-unsupported` for any other format.
    """
    packed_bytes = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        unpack = extract_zip if start in _ZIP else extract_tar
        if unpack is extract_tar:
            _check_is_tar(file, archive)
        return unpack(file, into, archive=archive, packed_bytes=packed_bytes, rules=rules, placement=placement)


def _check_is_tar(file: BinaryIO, archive: str) -> None:
    """Look at the first block; leave the file where it was."""
    block = Stream(file, archive=archive).read(_TAR_BLOCK_BYTES)
    file.seek(0)
    if len(block) == _TAR_BLOCK_BYTES and (block[_TAR_MAGIC] == b"ustar" or not block.strip(b"\0") or _is_v7(block)):
        return
    raise refusal(
        "the file is no archive that can be unpacked",
        identifier="archive-unsupported",
        archive=archive,
        why="it is neither tar (plain, gz, bz2, xz, zstd) nor zip",
    )


def _is_v7(block: bytes) -> bool:
    """Tell a tar header of before 1988, which has no magic, by its checksum."""
    field = block[148:156].strip(b" \0")
    total = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
    return bool(field) and not set(field) - set(b"01234567") and int(field, 8) == total
