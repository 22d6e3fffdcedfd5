"""Debian packages: our tree against that of dpkg-deb, and packages that are not what they should be."""

import gzip
import io
import multiprocessing
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest
import zstandard

from breakbulk.ecosystems.deb.merged_usr import merged
from breakbulk.ecosystems.deb.unpacking import unpack_deb
from breakbulk.ecosystems.interface import Content
from breakbulk.errors import ArchiveError, BreakbulkError, IntegrityError
from breakbulk.lock.model import Package, Python

PYTHON = Python(version="3.11", tag="cpython-311", package="deb:python3.11")
CONTROL = "Package: demo\nVersion: 1:2.0-1\nArchitecture: amd64\nDescription: x\n y\n"


def locked(file: str = "pool/main/d/demo/demo_2.0-1_amd64.deb", **changes: str) -> Package:
    package = Package(ecosystem="deb", name="demo", version="1:2.0-1", file=file, size=0, sha256="", purl="")
    return msgspec.structs.replace(package, **changes)


def tar(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(f"./{name}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            opened.addfile(info)
    return buffer.getvalue()


def ar(members: dict[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        parts += [header, data, b"\n" * (len(data) % 2)]
    return b"".join(parts)


def deb(data: bytes, control: bytes | None = None) -> dict[str, bytes]:
    return {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(tar({"control": CONTROL.encode()}) if control is None else control),
        "data.tar.zst": zstandard.compress(data),
    }


def unpack(members: dict[str, bytes], tmp_path: Path, package: Package | None = None) -> tuple[Content, Path]:
    archive, into = tmp_path / "archive", tmp_path / "tree"
    archive.write_bytes(ar(members))
    into.mkdir()
    return unpack_deb(archive, package or locked(), PYTHON, into).content, into


def test_paths_are_merged_and_own_top_level_links_left_out(tmp_path: Path) -> None:
    data = tar({"bin/tool": b"t", "usr/bin/other": b"o"}, {"bin/link": "../usr/bin/other", "lib": "usr/lib"})
    content, into = unpack(deb(data), tmp_path)
    assert set(content) == {"usr", "usr/bin", "usr/bin/tool", "usr/bin/other", "usr/bin/link"}
    assert (into / "usr/bin/link").read_bytes() == b"o"


def test_one_file_on_both_sides_of_the_merge_is_fine_if_it_is_the_same(tmp_path: Path) -> None:
    content, _ = unpack(deb(tar({"lib/x": b"same", "usr/lib/x": b"same"})), tmp_path)
    assert content["usr/lib/x"].size == 4


def test_two_files_that_meet_by_the_merge_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"archive-name-collision.*demo_2.0-1_amd64.deb: usr/lib/x"):
        unpack(deb(tar({"lib/x": b"one", "usr/lib/x": b"other"})), tmp_path)


def test_facts_hold_what_scripts_act_on(tmp_path: Path) -> None:
    control = tar(
        {"control": CONTROL.encode(), "postinst": b"#!/bin/sh\n# caf\xe9\n", "md5sums": b"0 x\n", "junk": b""}
    )
    archive = tmp_path / "archive"
    archive.write_bytes(ar(deb(tar({}), control)))
    (tmp_path / "tree").mkdir()
    unpacked = unpack_deb(archive, locked(), None, tmp_path / "tree")
    assert unpacked.deb is not None
    assert unpacked.deb.control == CONTROL
    assert set(unpacked.deb.scripts) == {"postinst"}
    assert unpacked.deb.md5sums == "0 x\n"
    assert msgspec.json.decode(msgspec.json.encode(unpacked), type=type(unpacked)) == unpacked


def test_sources_of_the_locked_python_are_named_for_compilation(tmp_path: Path) -> None:
    names = [
        "usr/lib/python3/dist-packages/a.py",
        "usr/lib/python3.11/os.py",
        "usr/lib/python3.12/os.py",
        "usr/share/b.py",
    ]
    archive = tmp_path / "archive"
    archive.write_bytes(ar(deb(tar(dict.fromkeys(names, b"")))))
    for number, (package, expected) in enumerate([(locked(), 0), (locked(python="cpython-311"), 2)]):
        into = tmp_path / str(number)
        into.mkdir()
        assert unpack_deb(archive, package, PYTHON, into).bytecode == tuple(names[:expected])


@pytest.mark.parametrize(
    "package", [locked(name="demo2"), locked(version="2.0-1"), locked(file="pool/main/d/demo/demo_2.0-1_arm64.deb")]
)
def test_another_package_than_the_lock_says_is_refused(package: Package, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="deb-identity"):
        unpack(deb(tar({})), tmp_path, package)


GOOD = deb(b"")


@pytest.mark.parametrize(
    ("members", "identifier"),
    [
        ({}, "archive-unsupported"),
        ({**GOOD, "debian-binary": b"3.0\n"}, "archive-unsupported"),
        ({"debian-binary": b"2.0\n"}, "archive-unsupported"),
        ({name: GOOD[name] for name in ("debian-binary", "data.tar.zst", "control.tar.gz")}, "archive-unsupported"),
        ({**deb(b""), "control.tar.gz": gzip.compress(tar({}))}, "archive-unsupported"),
        ({**deb(b""), "data.tar.zst": zstandard.compress(tar({"../x": b""}))}, "archive-path-escape"),
        ({**deb(b""), "data.tar.zst": GOOD["data.tar.zst"][:5]}, "archive-truncated"),
    ],
)
def test_what_is_no_sound_package_is_refused(members: dict[str, bytes], identifier: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=identifier):
        unpack(members, tmp_path)


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_package_cut_anywhere_is_refused(cut: int, tmp_path: Path) -> None:
    data = ar(deb(tar({"a": os.urandom(200)})))
    (tmp_path / "archive").write_bytes(data[:cut] if cut < len(data) else data[:-1])
    (tmp_path / "tree").mkdir()
    with pytest.raises(BreakbulkError, match=r"archive-(truncated|unsupported)"):
        unpack_deb(tmp_path / "archive", locked(), None, tmp_path / "tree")


REAL = (  # noqa: SIM905  # a list of names reads better so
    "base-files coreutils debianutils iproute2 libc6 libpam-modules-bin mount ncurses-term passwd perl-base "
    "python3.11-minimal systemd tzdata util-linux zlib1g"
).split()


@pytest.fixture(scope="session")
def real_packages(shared_cache: Path) -> list[Path]:
    """Packages of this machine's own suite, from the mirror it is configured with."""
    directory = shared_cache / "debs"
    directory.mkdir(exist_ok=True)
    wanted = [name for name in REAL if not list(directory.glob(f"{name}_*.deb"))]
    if wanted:
        subprocess.run(["apt-get", "download", "-q", *wanted], cwd=directory, check=True, capture_output=True)
    return [next(directory.glob(f"{name}_*.deb")) for name in REAL]


def described(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    if path.is_symlink():
        return "link", str(path.readlink())
    mode = stat.S_IMODE(status.st_mode)
    if path.is_dir():
        return "directory", mode, status.st_uid, status.st_gid
    return "file", mode, status.st_uid, status.st_gid, int(status.st_mtime), path.read_bytes()


def walked(root: Path) -> dict[str, tuple[object, ...]]:
    return {str(path.relative_to(root)): described(path) for path in root.rglob("*")}


def locked_as(archive: Path) -> Package:
    """The package that a lock would have for a real archive."""
    fields = subprocess.run(
        ["dpkg-deb", "-f", archive, "Package", "Version"], check=True, capture_output=True, text=True
    ).stdout
    name, version = (line.split(": ")[1] for line in fields.splitlines())
    return locked(str(archive), name=name, version=version)


@pytest.mark.integration
def test_trees_are_those_of_dpkg_deb(real_packages: list[Path], tmp_path: Path) -> None:
    for archive in real_packages:
        package = locked_as(archive)
        name = package.name
        ours, theirs = tmp_path / f"{name}-ours", tmp_path / f"{name}-dpkg"
        ours.mkdir()
        content = unpack_deb(archive, package, PYTHON, ours).content
        subprocess.run(["dpkg-deb", "-x", archive, theirs], check=True)
        expected = {merged(path): what for path, what in walked(theirs).items()}
        found = walked(ours)
        tops = {"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr"}
        assert found.keys() ^ expected.keys() <= tops, name
        for path in found.keys() - tops:
            assert found[path] == expected[path], f"{name}: {path}"
            assert content[path].kind == found[path][0]
        assert found.keys() == content.keys()
        assert links(ours) == links(theirs), name


def links(root: Path) -> set[frozenset[str]]:
    """Groups of names of one file."""
    groups: dict[int, set[str]] = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_nlink > 1:
            groups.setdefault(path.stat().st_ino, set()).add(merged(str(path.relative_to(root))))
    return {frozenset(group) for group in groups.values()}


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that an ordinary user may enter and write to, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as directory:
        if os.geteuid() == 0:
            os.chown(directory, ORDINARY, ORDINARY)
        yield Path(directory)


@pytest.mark.integration
@pytest.mark.parametrize("name", ["libpam-modules-bin", "passwd", "mount", "base-files"])
def test_an_ordinary_user_gets_the_same_content_without_privileges(
    name: str, real_packages: list[Path], tmp_path: Path, reachable: Path
) -> None:
    archive = next(path for path in real_packages if path.name.startswith(f"{name}_"))
    package = locked_as(archive)
    shutil.copy(archive, reachable / "archive")
    (tmp_path / "tree").mkdir()
    as_root = unpack_deb(archive, package, None, tmp_path / "tree").content
    assert ordinary(reachable / "archive", package, reachable / "tree") == as_root
    assert any(entry.mode & 0o7000 for entry in as_root.values())
    for path in (reachable / "tree").rglob("*"):
        assert path.is_symlink() or path.is_dir() or not path.stat().st_mode & 0o6000
        assert os.geteuid() != 0 or path.lstat().st_uid == ORDINARY


ORDINARY = 65534


def ordinary(archive: Path, package: Package, into: Path) -> Content:
    """Unpack in a process without privileges: a fork, as it could not read this interpreter's files again."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_unpack_unprivileged, args=(sender, archive, package, into))
    process.start()
    content = receiver.recv()
    process.join()
    assert isinstance(content, dict), content
    return content


def _unpack_unprivileged(sender: Connection, archive: Path, package: Package, into: Path) -> None:
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(ORDINARY, ORDINARY, ORDINARY)
            os.setresuid(ORDINARY, ORDINARY, ORDINARY)
        into.mkdir()
        sender.send(unpack_deb(archive, package, None, into).content)
    except BaseException as error:  # noqa: BLE001  # the parent's assertion shows it
        sender.send(repr(error))


def test_the_listing_has_owners_and_capabilities_whoever_unpacks(tmp_path):
    """A prepared package made from an ordinary user's store is good for root's."""
    buffer = io.BytesIO()
    capability = b"\x01\0\0\x02\0 \0\0" + bytes(12)
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as opened:
        info = tarfile.TarInfo("./usr/bin/expiry")
        info.mode, info.gid = 0o2755, 42
        info.pax_headers = {"SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape")}
        opened.addfile(info)
    content, _ = unpack(deb(buffer.getvalue()), tmp_path)
    entry = content["usr/bin/expiry"]
    assert (entry.mode, entry.uid, entry.gid, entry.capability) == (0o2755, 0, 42, capability)
    assert (content["usr/bin"].uid, content["usr/bin"].gid) == (0, 0)
