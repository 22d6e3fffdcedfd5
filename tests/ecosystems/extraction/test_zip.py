import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breakbulk.ecosystems.extraction import DEBIAN, STRANGER, Limits, Rules, Stripped
from breakbulk.ecosystems.interface import Content
from breakbulk.errors import ArchiveError

Make = Callable[..., bytes]
Extract = Callable[..., Content]


def file(name: str, data: bytes = b"x", **fields: Any) -> tuple[dict[str, Any], bytes]:
    return {"name": name, **fields}, data


def link(name: str, target: str) -> tuple[dict[str, Any], bytes]:
    return {"name": name, "type": tarfile.SYMTYPE, "linkname": target}, b""


def overlapping() -> bytes:
    """Two entries of the directory that name one member's bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("a", b"x" * 100)
        opened.writestr("b", b"x" * 100)
        opened.filelist[1].header_offset = 0
    return buffer.getvalue()


def encrypted(zip_of: Make) -> bytes:
    data = bytearray(zip_of([file("a")]))
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, directory + 8, 1)
    return bytes(data)


@pytest.mark.parametrize(
    ("members", "identifier"),
    [
        ([file("/tmp/x")], "archive-path-escape"),
        ([file("../neighbour")], "archive-path-escape"),
        ([file("..\\neighbour")], "archive-name-invalid"),
        ([file("a\0.txt")], "archive-name-invalid"),
        ([link("d", "/tmp"), file("d/x")], "archive-symlink-escape"),
        ([link("l", "../neighbour")], "archive-symlink-escape"),
        ([link("l", "x" * 4000)], "archive-bomb"),
        ([file("su", mode=0o4755)], "archive-setuid"),
        ([file("pipe", type=tarfile.FIFOTYPE)], "archive-device"),
        ([file("a"), file("./a")], "archive-name-collision"),
        ([file("A"), file("a")], "archive-name-collision"),
        ([file("ﬁ"), file("fi")], "archive-name-collision"),
    ],
)
def test_evil_is_refused_by_name(
    members: list[Any], identifier: str, into: Path, zip_of: Make, extract_bytes: Extract
) -> None:
    with pytest.raises(ArchiveError) as caught:
        extract_bytes(zip_of(members), into, archive="evil.zip")
    assert caught.value.reference == identifier
    assert str(caught.value.where).startswith("evil.zip: ")
    assert (into.parent / "neighbour").read_text() == "untouched"


def test_members_that_overlap_are_a_bomb(into: Path, extract_bytes: Extract) -> None:
    with pytest.raises(ArchiveError, match="archive-bomb"):
        extract_bytes(overlapping(), into)


def test_encrypted_members_are_not_guessed(into: Path, zip_of: Make, extract_bytes: Extract) -> None:
    with pytest.raises(ArchiveError, match="archive-unsupported"):
        extract_bytes(encrypted(zip_of), into)


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_cut_archive_is_truncated(kept: float, into: Path, zip_of: Make, extract_bytes: Extract) -> None:
    data = zip_of([file(f"f{index}", os.urandom(2_000)) for index in range(5)])
    with pytest.raises(ArchiveError, match="archive-truncated"):
        extract_bytes(data[: int(len(data) * kept)], into)


def test_a_damaged_member_is_found_by_its_checksum(into: Path, extract_bytes: Extract) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("a", b"content")
    with pytest.raises(ArchiveError, match="archive-truncated"):
        extract_bytes(buffer.getvalue().replace(b"content", b"c0ntent", 1), into)


def test_zeros_beyond_the_ratio_are_a_bomb(into: Path, zip_of: Make, extract_bytes: Extract) -> None:
    rules = Rules(limits=Limits(ratio=100, ratio_from_bytes=100_000))
    with pytest.raises(ArchiveError, match="archive-bomb"):
        extract_bytes(zip_of([file("zeros", bytes(3_000_000))]), into, rules)


@pytest.mark.parametrize("rules", [STRANGER, DEBIAN])
def test_an_honest_zip_arrives(rules: Rules, into: Path, zip_of: Make, extract_bytes: Extract) -> None:
    members = [
        file("v1", b"", type=tarfile.DIRTYPE, mode=0o755),
        file("v1/bin/tool", b"#!", mode=0o755),
        link("v1/tool", "bin/tool"),
        file("v1/ünï", os.urandom(2_000_000)),
    ]
    content = extract_bytes(zip_of(members), into, rules, Stripped(1))
    assert set(content) == {"bin", "bin/tool", "tool", "ünï"}
    assert stat.S_IMODE((into / "bin/tool").stat().st_mode) == 0o755
    assert (into / "tool").read_bytes() == b"#!"
    assert (into / "ünï").stat().st_size == 2_000_000
