import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from breakbulk.ecosystems.interface import Content
from breakbulk.errors import ArchiveError

Make = Callable[..., bytes]
Extract = Callable[..., Content]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_formats_are_told_by_their_bytes(
    compress: Callable[[bytes], bytes], into: Path, tar_of: Make, extract_bytes: Extract
) -> None:
    data = tar_of([({"name": "a"}, os.urandom(2_000_000))])
    assert set(extract_bytes(compress(data), into, archive="misleading.zip")) == {"a"}


def test_streams_laid_one_behind_the_other_are_one(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    data = tar_of([({"name": name}, b"x" * 700) for name in "abc"])
    parts = gzip.compress(data[:1000]) + gzip.compress(data[1000:]) + bytes(512)
    assert set(extract_bytes(parts, into)) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n" * 200, b"\x7fELF" + bytes(2000), gzip.compress(b"text", mtime=0), b"Rar!\x1a\x07"]
)
def test_what_is_no_archive_is_said_to_be_none(data: bytes, into: Path, extract_bytes: Extract) -> None:
    with pytest.raises(ArchiveError, match="archive-unsupported"):
        extract_bytes(data, into)


@pytest.mark.parametrize(
    "data", [b"\x1f\x8bnonsense", b"BZhnonsense", b"\xfd7zXZ\0nonsense", b"\x28\xb5\x2f\xfdnonsense"]
)
def test_damaged_compression_is_named(data: bytes, into: Path, extract_bytes: Extract) -> None:
    with pytest.raises(ArchiveError, match="archive-truncated"):
        extract_bytes(data, into)


def test_a_frame_of_zstd_that_is_cut_is_truncated(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    data = zstandard.compress(tar_of([({"name": "a"}, os.urandom(600_000))]))
    with pytest.raises(ArchiveError, match="archive-truncated"):
        extract_bytes(data[: len(data) // 2], into)
