"""Wheels become trees: where things land, what is written beside them, and what is refused."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakbulk.ecosystems.interface import Unpacked
from breakbulk.ecosystems.pypi.wheels import unpack_wheel
from breakbulk.errors import ArchiveError

PACKAGES = "usr/local/lib/python3.11/dist-packages"


def unpack(data: bytes, directory: Path, name: str = "demo") -> tuple[Path, Unpacked]:
    archive = directory / "archive"
    archive.write_bytes(data)
    into = directory / "tree"
    into.mkdir()
    unpacked = unpack_wheel(
        archive, name=name, python="3.11", tag="cpython-311", into=into, file="demo-1.0-py3-none-any.whl"
    )
    return into, unpacked


def test_modules_scripts_data_and_headers_land_where_debian_looks(tmp_path: Path, making: Any) -> None:
    tree, unpacked = unpack(
        making.wheel(
            files={
                "demo/__init__.py": b"",
                "demo-1.0.data/purelib/pure.py": b"",
                "demo-1.0.data/platlib/_fast.so": b"\x7fELF",
                "demo-1.0.data/scripts/tool": b"#!/bin/sh\n",
                "demo-1.0.data/headers/demo.h": b"",
                "demo-1.0.data/data/share/man/man1/tool.1": b"",
            }
        ),
        tmp_path,
    )
    files = {path for path, entry in unpacked.content.items() if entry.kind == "file"}
    assert files >= {
        f"{PACKAGES}/demo/__init__.py",
        f"{PACKAGES}/pure.py",
        f"{PACKAGES}/_fast.so",
        "usr/local/bin/tool",
        "usr/local/include/python3.11/demo/demo.h",
        "usr/local/share/man/man1/tool.1",
    }
    assert files == {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}


def test_the_installed_tree_is_importable_and_its_programs_run(tmp_path: Path, making: Any) -> None:
    wheel = making.wheel(
        files={"demo/__init__.py": b"def main():\n    print('hello')\n"},
        entry_points="[console_scripts]\nhello = demo:main\n",
    )
    tree, _ = unpack(wheel, tmp_path)
    program = tree / "usr/local/bin/hello"
    assert program.read_bytes().startswith(b"#!/usr/bin/python3.11\n")
    shown = subprocess.run(
        [sys.executable, str(program)],
        env={"PYTHONPATH": str(tree / PACKAGES)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "hello\n"


def test_the_first_line_of_python_scripts_names_the_locked_python(tmp_path: Path, making: Any) -> None:
    files = {
        "demo-1.0.data/scripts/a": b"#!python\nprint(1)\n",
        "demo-1.0.data/scripts/b": b"#!pythonw -x\nprint(2)\n",
        "demo-1.0.data/scripts/c": b"#!/bin/sh\ntrue\n",
    }
    tree, _ = unpack(making.wheel(files=files), tmp_path)
    scripts = {path.name: path.read_bytes() for path in (tree / "usr/local/bin").iterdir()}
    assert scripts == {
        "a": b"#!/usr/bin/python3.11\nprint(1)\n",
        "b": b"#!/usr/bin/python3.11\nprint(2)\n",
        "c": b"#!/bin/sh\ntrue\n",
    }
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o755 for path in (tree / "usr/local/bin").iterdir())


def test_modes_and_times_do_not_depend_on_archive_or_umask(tmp_path: Path, making: Any) -> None:
    wheel = making.wheel(files={"demo/a.py": b"", "demo/run": b""}, programs=frozenset({"demo/run"}))
    old = os.umask(0o077)
    try:
        tree, unpacked = unpack(wheel, tmp_path)
    finally:
        os.umask(old)
    modes = {path: entry.mode for path, entry in unpacked.content.items()}
    assert (modes[f"{PACKAGES}/demo/a.py"], modes[f"{PACKAGES}/demo/run"]) == (0o644, 0o755)
    for path, entry in unpacked.content.items():
        status = (tree / path).stat()
        assert stat.S_IMODE(status.st_mode) == entry.mode
        assert status.st_mtime == 0


def test_record_is_true_of_every_file_and_names_the_bytecode(tmp_path: Path, making: Any) -> None:
    wheel = making.wheel(
        files={"demo/__init__.py": b"", "demo/x,y.txt": b"comma", "demo-1.0.data/scripts/tool": b"#!python\n"},
        entry_points="[console_scripts]\nhello = demo:main\n",
    )
    tree, unpacked = unpack(wheel, tmp_path)
    with (tree / PACKAGES / "demo-1.0.dist-info/RECORD").open(newline="") as record:
        rows = list(csv.reader(record))
    described = {}
    for path, digest, size in rows:
        target = Path(os.path.normpath(tree / PACKAGES / path))
        if digest:
            data = target.read_bytes()
            encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={encoded}", str(len(data)))
        described[str(target.relative_to(tree))] = digest
    bytecode = f"{PACKAGES}/demo/__pycache__/__init__.cpython-311.pyc"
    assert described.keys() == {path for path, e in unpacked.content.items() if e.kind == "file"} | {bytecode}
    undigested = {path for path, digest in described.items() if not digest}
    assert undigested == {f"{PACKAGES}/demo-1.0.dist-info/RECORD", bytecode}
    assert (tree / PACKAGES / "demo-1.0.dist-info/INSTALLER").read_text() == "breakbulk\n"
    assert unpacked.bytecode == (f"{PACKAGES}/demo/__init__.py",)


def test_content_is_what_is_on_disk(tmp_path: Path, making: Any) -> None:
    tree, unpacked = unpack(making.wheel(), tmp_path)
    for path, entry in unpacked.content.items():
        if entry.kind == "file":
            data = (tree / path).read_bytes()
            assert (entry.content, entry.size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_same_wheel_gives_the_same_tree(tmp_path: Path, making: Any) -> None:
    data = making.wheel(entry_points="[console_scripts]\nb = demo:b\na = demo:a\n")
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        contents.append(unpack(data, tmp_path / name)[1])
    assert contents[0] == contents[1]


def test_shipped_bytecode_gives_way_to_that_of_the_locked_python(tmp_path: Path, making: Any) -> None:
    files = {"demo.py": b"", "__pycache__/demo.cpython-39.pyc": b"old", "__pycache__/gone.cpython-311.pyc": b"kept"}
    _, unpacked = unpack(making.wheel(files=files), tmp_path)
    assert [path for path in unpacked.content if path.endswith(".pyc")] == [
        f"{PACKAGES}/__pycache__/gone.cpython-311.pyc"
    ]


def test_large_members_are_unpacked_in_pieces(tmp_path: Path, making: Any) -> None:
    data = bytes(range(256)) * (40 << 12)  # 40 MiB, above what is unpacked in one call
    _, unpacked = unpack(making.wheel(files={"demo/large": data}), tmp_path)
    assert unpacked.content[f"{PACKAGES}/demo/large"].content == hashlib.sha256(data).hexdigest()


def test_stronger_digests_than_sha256_are_compared(tmp_path: Path, making: Any) -> None:
    def record(content: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha512(content).digest()).rstrip(b"=").decode()
        whole = making.wheel(files={})
        names = ("demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/WHEEL")
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            others = "".join(making.record_line(name, archive.read(name)) + "\n" for name in names)
        return f"demo.py,sha512={digest},\n{others}demo-1.0.dist-info/RECORD,,\n"

    unpack(making.wheel(files={"demo.py": b"x = 1\n"}, record=record(b"x = 1\n")), tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(ArchiveError) as caught:
        unpack(making.wheel(files={"demo.py": b"x = 2\n"}, record=record(b"x = 1\n")), tmp_path / "other")
    assert caught.value.reference == "wheel-record-mismatch"


def _replace(record: str, old: str, new: str) -> str:
    assert old in record
    return record.replace(old, new)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: _replace(record, "demo/__init__.py,sha256=", "demo/__init__.py,sha256=AAAA"), "not what it"),
        (lambda record: _replace(record, ",12\n", ",13\n"), "not what it promises"),
        (lambda record: record.partition("\n")[2], "does not name 'demo/__init__.py'"),
        (lambda record: record + "demo/absent.py,sha256=AAAA,1\n", "'demo/absent.py', which the wheel does not have"),
        (lambda record: record + record.partition("\n")[0] + "\n", "named twice"),
        (lambda record: _replace(record, "sha256=", "md5="), "no digest"),
        (lambda record: _replace(record, ",12\n", ",twelve\n"), "cannot be read"),
        (lambda record: record + "one,two\n", "columns"),
    ],
)
def test_a_wheel_that_is_not_what_its_record_says_is_refused(
    tmp_path: Path, making: Any, change: Any, words: str
) -> None:
    whole = making.wheel()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        record = archive.read("demo-1.0.dist-info/RECORD").decode()
    with pytest.raises(ArchiveError) as caught:
        unpack(making.wheel(record=change(record)), tmp_path)
    assert caught.value.reference == "wheel-record-mismatch"
    assert words in (caught.value.why or "")
    assert caught.value.where == "demo-1.0-py3-none-any.whl"


def test_another_distribution_than_the_locked_one_is_refused(tmp_path: Path, making: Any) -> None:
    with pytest.raises(ArchiveError, match="not demo") as caught:
        unpack(making.wheel(name="other"), tmp_path)
    assert caught.value.reference == "wheel-invalid"


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_wheel_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveError):
        unpack(data, tmp_path)


def test_a_format_of_the_future_is_refused(tmp_path: Path, making: Any) -> None:
    data = making.wheel()
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"Wheel-Version: 1.0", b"Wheel-Version: 2.0"))
    with pytest.raises(ArchiveError, match=r"2\.0"):
        unpack(buffer.getvalue(), tmp_path)


EVIL = [
    ("../evil", "archive-path-escape"),
    ("demo/../../evil", "archive-path-escape"),
    ("/etc/evil", "archive-path-escape"),
    ("demo\\evil", "archive-name-invalid"),
    ("demo/e\x01vil", "archive-name-invalid"),
    ("demo//evil", "archive-name-invalid"),
    ("./evil", "archive-name-invalid"),
    ("DEMO/__init__.py", "archive-name-collision"),
    ("demo/__init__.py/evil", "archive-name-collision"),
    ("demo-1.0.data/purelib/demo/__init__.py", "archive-name-collision"),
    ("demo-1.0.data/purelib/../../../../etc/evil", "archive-path-escape"),
]


@pytest.mark.parametrize(("member", "identifier"), EVIL)
def test_evil_names_are_refused_and_nothing_is_written_outside(
    tmp_path: Path, making: Any, member: str, identifier: str
) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpack(making.wheel(files={"demo/__init__.py": b"answer", member: b"evil"}), tmp_path)
    assert caught.value.reference == identifier
    assert not [path for path in tmp_path.rglob("evil") if not path.is_relative_to(tmp_path / "tree")]


def test_names_that_differ_only_in_unicode_form_are_refused(tmp_path: Path, making: Any) -> None:
    files = {"demo/caf\u00e9.py": b"", "demo/cafe\u0301.py": b""}
    with pytest.raises(ArchiveError) as caught:
        unpack(making.wheel(files=files), tmp_path)
    assert caught.value.reference == "archive-name-collision"


@given(member=st.text(st.sampled_from("./\\aA\x00:é\u0301~"), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_escapes(tmp_path_factory: pytest.TempPathFactory, making: Any, member: str) -> None:
    directory = tmp_path_factory.mktemp("evil")
    outside = directory / "outside"
    outside.mkdir()
    with contextlib.suppress(ArchiveError):
        unpack(making.wheel(files={"demo/__init__.py": b"", member: b"evil"}), outside)
    assert {path.name for path in directory.iterdir()} == {"outside"}
    assert {path.name for path in outside.iterdir()} <= {"archive", "tree"}
    assert {path.name for path in (outside / "tree").iterdir()} <= {"usr"}


def _with_mode(data: bytes, mode: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            if info.filename == "demo/__init__.py":
                info.external_attr = mode << 16
            new.writestr(info, old.read(info.filename))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "identifier"),
    [
        (stat.S_IFLNK | 0o777, "archive-member-kind"),
        (stat.S_IFCHR | 0o644, "archive-member-kind"),
        (stat.S_IFIFO | 0o644, "archive-member-kind"),
        (stat.S_IFREG | 0o4755, "archive-setuid"),
        (stat.S_IFREG | 0o2755, "archive-setuid"),
    ],
)
def test_links_devices_and_setuid_programs_are_refused(tmp_path: Path, making: Any, mode: int, identifier: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpack(_with_mode(making.wheel(), mode), tmp_path)
    assert caught.value.reference == identifier


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path: Path, making: Any) -> None:
    buffer = io.BytesIO(making.wheel())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("demo/__init__.py", b"other")
    with pytest.raises(ArchiveError) as caught:
        unpack(buffer.getvalue(), tmp_path)
    assert caught.value.reference == "archive-name-collision"


def test_two_descriptions_of_a_member_that_differ_are_refused(tmp_path: Path, making: Any) -> None:
    data = making.wheel()
    position = data.index(b"demo/__init__.py")  # the first is in the local header
    with pytest.raises(ArchiveError, match="descriptions"):
        unpack(data[:position] + b"demo/__evil__.py" + data[position + 16 :], tmp_path)


def test_members_that_share_bytes_are_refused(tmp_path: Path, making: Any) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("demo/inner", b"x" * 100)
        info = archive.getinfo("demo/inner")
    buffer = io.BytesIO(making.wheel())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("demo/outer", inner.getvalue())
        info.header_offset = archive.getinfo("demo/outer").header_offset + 30 + len("demo/outer")
        archive.filelist.append(info)
    with pytest.raises(ArchiveError) as caught:
        unpack(buffer.getvalue(), tmp_path)
    assert (caught.value.reference, caught.value.message) == (
        "archive-bomb",
        "two members share bytes of the archive",
    )


def test_a_wheel_that_is_cut_off_or_altered_is_refused(tmp_path: Path, making: Any) -> None:
    data = making.wheel(files={"demo/__init__.py": os.urandom(4096)})
    for number, damaged in enumerate((data[: len(data) // 2], data[:200] + b"\0" * 64 + data[264:])):
        directory = tmp_path / str(number)
        directory.mkdir()
        with pytest.raises(ArchiveError):
            unpack(damaged, directory)


def test_a_bomb_is_stopped(tmp_path: Path, making: Any) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpack(making.wheel(files={"demo/zeros": bytes(300 << 20)}), tmp_path)
    assert caught.value.reference == "archive-bomb"
