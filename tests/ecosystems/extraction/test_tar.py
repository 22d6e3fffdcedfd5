"""Archives made to escape, one test per way, and what survives of honest ones."""

import contextlib
import gzip
import hashlib
import io
import os
import stat
import subprocess
import tarfile
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from breakbulk.ecosystems.extraction import DEBIAN, OWN, STRANGER, Limits, Rules, Stripped, read_members
from breakbulk.ecosystems.interface import Content, Entry
from breakbulk.errors import ArchiveError

Make = Callable[..., bytes]
Extract = Callable[..., Content]
FILE, DIRECTORY, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def file(name: str, data: bytes = b"x", **fields: Any) -> tuple[dict[str, Any], bytes]:
    return {"name": name, **fields}, data


def link(name: str, target: str) -> tuple[dict[str, Any], bytes]:
    return {"name": name, "type": LINK, "linkname": target}, b""


def hard(name: str, target: str) -> tuple[dict[str, Any], bytes]:
    return {"name": name, "type": HARD, "linkname": target}, b""


def directory(name: str, **fields: Any) -> tuple[dict[str, Any], bytes]:
    return {"name": name, "type": DIRECTORY, "mode": 0o755, **fields}, b""


def special(name: str, kind: bytes) -> tuple[dict[str, Any], bytes]:
    return {"name": name, "type": kind}, b""


EVIL = {
    "absolute": ([file("/tmp/x")], "archive-path-escape"),
    "parent": ([file("../neighbour")], "archive-path-escape"),
    "root as a file": ([file(".")], "archive-path-escape"),
    "through a link": ([link("d", "/tmp"), file("d/x")], "archive-symlink-escape"),
    "through a link deep inside": ([link("a/b/c", "../../.."), file("a/b/c/neighbour")], "archive-symlink-escape"),
    "through a link to a directory of its own": (
        [directory("r"), link("d", "r"), file("d/x")],
        "archive-symlink-escape",
    ),
    "link that climbs": ([link("a/l", "../../neighbour")], "archive-symlink-escape"),
    "link, then a file of its name": ([link("l", "/etc/passwd"), file("l")], "archive-name-collision"),
    "link, then a directory of its name": ([link("l", "/etc"), directory("l")], "archive-name-collision"),
    "hard link out": ([hard("l", "../neighbour")], "archive-path-escape"),
    "hard link to what is absolute": ([hard("l", "/etc/passwd")], "archive-path-escape"),
    "hard link to nothing": ([hard("l", "later"), file("later")], "archive-path-escape"),
    "hard link to a directory": ([directory("d"), hard("l", "d")], "archive-path-escape"),
    "character device": ([special("null", tarfile.CHRTYPE)], "archive-device"),
    "block device": ([special("sda", tarfile.BLKTYPE)], "archive-device"),
    "pipe": ([special("pipe", tarfile.FIFOTYPE)], "archive-device"),
    "unknown type": ([special("door", b"D")], "archive-unsupported"),
    "setuid": ([file("su", mode=0o4755)], "archive-setuid"),
    "setgid": ([file("wall", mode=0o2755)], "archive-setuid"),
    "twice": ([file("a"), file("a", b"y")], "archive-name-collision"),
    "twice, spelled differently": ([file("a"), file("./a")], "archive-name-collision"),
    "case": ([file("Readme"), file("README")], "archive-name-collision"),
    "case of directories": ([file("D/a"), file("d/b")], "archive-name-collision"),
    "canonical forms": ([file("caf\u00e9"), file(unicodedata.normalize("NFD", "caf\u00e9"))], "archive-name-collision"),
    "compatibility forms": ([file("ﬁle"), file("file")], "archive-name-collision"),
    "a file with children": ([file("a"), file("a/b")], "archive-name-collision"),
    "a directory, then a file": ([file("a/b"), file("a")], "archive-name-collision"),
    "newline": ([file("a\nb")], "archive-name-invalid"),
    "backslash": ([file("..\\a")], "archive-name-invalid"),
    "no UTF-8": ([file("a\udce9")], "archive-name-invalid"),
    "long": ([file("n" * 300)], "archive-bomb"),
    "deep": ([file("/".join("d" * 200))], "archive-bomb"),
}


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("mode", ["w:", "w:xz"])
def test_evil_is_refused_by_name(name: str, mode: str, into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    members, identifier = EVIL[name]
    with pytest.raises(ArchiveError) as caught:
        extract_bytes(tar_of(members, mode=mode), into, archive="evil.tar")
    assert caught.value.reference == identifier
    assert str(caught.value.where).startswith("evil.tar")
    assert (into.parent / "neighbour").read_text() == "untouched"
    assert sorted(os.listdir(into.parent)) == ["neighbour", "tree"]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in EVIL
        if name not in {"setuid", "setgid", "backslash"} and "case" not in name and "compat" not in name
    ],
)
def test_debian_packages_are_trusted_no_further(name: str, into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    members, identifier = EVIL[name]
    with pytest.raises(ArchiveError, match=identifier):
        extract_bytes(tar_of(members), into, DEBIAN)


NAMES = st.sampled_from(["a", "b", "A", "a/b", "a/b/c", "d/a", "../neighbour", "./a", "/x", "d"])
TARGETS = st.sampled_from(["a", "b", ".", "..", "../neighbour", "/etc", "a/b", "../..", "d"])
MEMBERS = st.lists(
    st.one_of(
        st.builds(file, NAMES, st.binary(max_size=3)),
        st.builds(link, NAMES, TARGETS),
        st.builds(hard, NAMES, TARGETS),
        st.builds(directory, NAMES),
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=MEMBERS, rules=st.sampled_from([STRANGER, OWN, DEBIAN]))
@example(members=[link("a", ".."), file("a/neighbour", b"owned")], rules=DEBIAN)
def test_whatever_is_in_an_archive_nothing_leaves_the_tree(
    members: list[Any], rules: Rules, tar_of: Make, extract_bytes: Extract
) -> None:
    with tempfile.TemporaryDirectory() as outer:
        (Path(outer) / "neighbour").write_text("untouched")
        into = Path(outer) / "tree"
        into.mkdir()
        content: Content | None = None
        try:
            content = extract_bytes(tar_of(members), into, rules)
        except ArchiveError as error:
            assert error.reference.startswith("archive-")  # noqa: PT017
        assert sorted(os.listdir(outer)) == ["neighbour", "tree"]
        assert (Path(outer) / "neighbour").read_text() == "untouched"
        if content is not None:
            assert content == on_disk(into)


def on_disk(root: Path) -> Content:
    """What a tree holds, read independently of the code that wrote it."""
    found: Content = {}
    for path in root.rglob("*"):
        status, name = path.lstat(), str(path.relative_to(root))
        if path.is_symlink():
            found[name] = Entry("link", 0o777, str(path.readlink()))
        elif path.is_dir():
            found[name] = Entry("directory", stat.S_IMODE(status.st_mode), "")
        else:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = Entry("file", stat.S_IMODE(status.st_mode), digest, status.st_size)
    return found


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_honest_archive_arrives_as_it_is(
    mode: str, format_: int, into: Path, tar_of: Make, extract_bytes: Extract
) -> None:
    long = "/".join(["directory-with-a-long-name"] * 8) + "/" + "f" * 120
    members = [
        directory("d", mode=0o700, mtime=5),
        file("d/program", b"#!", mode=0o711, mtime=7),
        file(long, os.urandom(3_000_000)),
        link("d/link", "../" + long),
        link("d/absolute", "/etc/ssl"),
        hard("d/again", "d/program"),
        file("ünïcode", b""),
    ]
    content = extract_bytes(tar_of(members, mode=mode, format_=format_), into)
    assert content == on_disk(into)
    assert content["d"].mode == content["d/program"].mode == 0o755
    assert (into / "d/program").stat().st_mtime == (into / "d").stat().st_mtime == into.stat().st_mtime == 0
    assert (into / "d/again").samefile(into / "d/program")
    assert (into / long).stat().st_size == 3_000_000


def test_debian_modes_and_times_are_kept(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    members = [
        directory("var/mail", mode=0o2775, gid=8, mtime=11),
        file("etc/shadowed", mode=0o640, gid=42, mtime=1_700_000_000),
        file("bin/su", mode=0o4755),
        file("E"),
        file("e"),
    ]
    content = extract_bytes(tar_of(members), into, DEBIAN)
    assert (content["var/mail"].mode, content["bin/su"].mode, content["etc/shadowed"].mode) == (0o2775, 0o4755, 0o640)
    assert (into / "etc/shadowed").stat().st_mtime == 1_700_000_000
    assert (into / "var/mail").stat().st_mtime == 11
    privileged = os.geteuid() == 0
    assert bool((into / "bin/su").stat().st_mode & stat.S_ISUID) is privileged
    assert (into / "etc/shadowed").stat().st_gid == (42 if privileged else os.getegid())


def test_owners_that_are_not_static_become_the_owner_of_the_tree(
    into: Path, tar_of: Make, extract_bytes: Extract
) -> None:
    members = [file("a", uid=1000, gid=1000, mode=0o4755), file("b", uid=99999, gid=7)]
    extract_bytes(tar_of(members), into, DEBIAN)
    assert (into / "a").stat().st_uid == os.geteuid()
    assert not (into / "a").stat().st_mode & stat.S_ISUID, "setuid to another user than the archive means"


def test_directories_can_always_be_removed(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    content = extract_bytes(tar_of([file("d/x"), directory("d", mode=0o500)]), into, DEBIAN)
    assert content["d"].mode == 0o500
    assert stat.S_IMODE((into / "d").stat().st_mode) == 0o700


def test_leading_components_are_stripped_and_links_follow(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    members = [
        directory("v1"),
        file("v1/bin/x", mode=0o755),
        hard("v1/y", "v1/bin/x"),
        link("v1/z", "bin/x"),
        file("top"),
    ]
    content = extract_bytes(tar_of(members), into, placement=Stripped(1, "opt/tool"))
    assert set(content) == {"opt", "opt/tool", "opt/tool/bin", "opt/tool/bin/x", "opt/tool/y", "opt/tool/z"}
    assert (into / "opt/tool/z").read_bytes() == b"x"


def test_a_hard_link_to_what_was_stripped_is_refused(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    with pytest.raises(ArchiveError, match="archive-path-escape"):
        extract_bytes(tar_of([file("top"), hard("d/x", "top")]), into, placement=Stripped(1))


def test_a_sparse_file_has_its_holes(into: Path, tmp_path: Path, extract_bytes: Extract) -> None:
    data = sparse_archive(tmp_path)
    extract_bytes(data, into)
    assert (into / "sparse").read_bytes() == b"head" + bytes(5_000_000) + b"tail"
    assert (into / "sparse").stat().st_blocks * 512 < 1_000_000


def sparse_archive(tmp_path: Path) -> bytes:
    source = tmp_path / "sparse"
    with source.open("wb") as opened:
        opened.write(b"head")
        opened.seek(5_000_004)
        opened.write(b"tail")
    return subprocess.run(
        ["tar", "--sparse", "--hole-detection=raw", "-C", tmp_path, "-cf", "-", "sparse"],
        check=True,
        capture_output=True,
    ).stdout


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_an_archive_that_is_cut_short_is_never_complete(
    mode: str, kept: float, into: Path, tar_of: Make, extract_bytes: Extract
) -> None:
    data = tar_of([file(f"f{index}", os.urandom(5_000)) for index in range(8)], mode=mode)
    if mode == "w:":
        data = data.rstrip(b"\0")
    with pytest.raises(ArchiveError, match="archive-truncated"):
        extract_bytes(data[: int(len(data) * kept)], into)


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 5000), flip=st.integers(1, 255))
def test_a_flipped_byte_gives_a_named_error_or_a_tree(
    position: int, flip: int, tar_of: Make, extract_bytes: Extract
) -> None:
    data = bytearray(tar_of([file("é" * 80, b"data"), link("l", "é"), hard("h", "é" * 80)]))
    data[position % len(data)] ^= flip
    with tempfile.TemporaryDirectory() as into, contextlib.suppress(ArchiveError):
        extract_bytes(bytes(data), Path(into))


@pytest.mark.parametrize(
    ("limits", "members"),
    [
        (Limits(total_bytes=10_000), [file("a", bytes(6_000)), file("b", bytes(6_000))]),
        (Limits(members=3), [file(name) for name in "abcd"]),
        (Limits(members=3), [file("a/b/c/d")]),
        (Limits(ratio=10, ratio_from_bytes=100_000), [file("zeros", bytes(1_000_000))]),
    ],
)
def test_bombs_are_stopped(
    limits: Limits, members: list[Any], into: Path, tar_of: Make, extract_bytes: Extract
) -> None:
    with pytest.raises(ArchiveError, match="archive-bomb"):
        extract_bytes(tar_of(members, mode="w:gz"), into, Rules(limits=limits))
    assert sum(path.stat().st_size for path in into.rglob("*") if path.is_file()) <= limits.total_bytes


def test_a_bomb_in_what_is_stripped_or_trails_is_stopped_too(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    rules = Rules(limits=Limits(total_bytes=100_000))
    with pytest.raises(ArchiveError, match="archive-bomb"):
        extract_bytes(tar_of([file("skipped", bytes(1_000_000))], mode="w:gz"), into, rules, Stripped(1))
    trailing = gzip.compress(tar_of([file("a")]) + bytes(1_000_000))
    with pytest.raises(ArchiveError, match="archive-bomb"):
        extract_bytes(trailing, into, rules)


def test_a_header_of_many_megabytes_is_not_read_into_memory(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    data = tar_of([({"name": "a", "pax_headers": {"comment": "x" * 2_000_000}}, b"")], mode="w:gz")
    with pytest.raises(ArchiveError, match="archive-bomb"):
        extract_bytes(data, into)


def test_headers_of_headers_of_headers_are_refused(into: Path, extract_bytes: Extract) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2
    block = name.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")
    with pytest.raises(ArchiveError, match=r"archive-(bomb|truncated)"):
        extract_bytes(block * 5000, into)


def test_file_capabilities_are_set_where_they_can_be(into: Path, tar_of: Make, extract_bytes: Extract) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service=ep
    member = {"name": "ping", "pax_headers": {"SCHILY.xattr.security.capability": capability.decode("latin-1")}}
    extract_bytes(tar_of([(member, b"")]), into, DEBIAN)
    if os.geteuid() == 0:
        assert os.getxattr(into / "ping", "security.capability") == capability
    extract_other = into / "d"
    extract_other.mkdir()
    extract_bytes(tar_of([(member, b"")]), extract_other, STRANGER)
    assert os.listxattr(extract_other / "ping") == []


def test_small_archives_are_read_into_memory(tar_of: Make) -> None:
    data = tar_of([directory("."), file("./control", b"Package: x\n"), link("l", "control")], mode="w:gz")
    assert read_members(io.BytesIO(data), archive="x", limit_bytes=1000) == {"control": b"Package: x\n"}
    with pytest.raises(ArchiveError, match="archive-bomb"):
        read_members(io.BytesIO(data), archive="x", limit_bytes=5)
