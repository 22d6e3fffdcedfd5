"""A lock is read only as it was written."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import LockError
from breakbulk.lock.files import decode_lock, encode_lock, identity, read_lock, write_lock
from breakbulk.lock.model import Lock, LockedSystem, Package, Python

DIGEST = "ab" * 32


def package(**changes: object) -> Package:
    values: dict[str, object] = {
        "ecosystem": "deb",
        "name": "jq",
        "version": "1.6-2.1",
        "file": "pool/main/j/jq/jq_1.6-2.1_amd64.deb",
        "size": 64_000,
        "sha256": DIGEST,
        "purl": "pkg:deb/debian/jq@1.6-2.1",
        "dependencies": ("deb:libjq1",),
        "why": ("install.jq",),
    }
    return Package(**(values | changes))  # type: ignore[arg-type]


def lock(*packages: Package) -> Lock:
    python = Python(version="3.11", tag="cpython-311", package="deb:python3.11-minimal")
    return Lock(
        lock_version=1,
        manifest={"install": {"jq": {"deb": "jq"}}, "vars": {"GREETING": "grüß"}},
        systems={"x86_64-linux": LockedSystem(packages=packages or (package(),), python=python)},
    )


def test_a_lock_survives_the_round_trip() -> None:
    assert decode_lock(encode_lock(lock()), "f") == lock()


def test_equal_locks_are_equal_bytes_and_have_one_identity() -> None:
    assert encode_lock(lock()) == encode_lock(lock())
    assert identity(lock()) == json.loads(encode_lock(lock()))["digest"]
    assert identity(lock()) != identity(lock(package(version="1.7")))


def test_a_reader_sees_one_line_per_value() -> None:
    assert b'          "name": "jq",\n' in encode_lock(lock())


def edited(old: bytes, new: bytes) -> bytes:
    data = encode_lock(lock())
    assert old in data
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("data", "identifier"),
    [
        (b"", "lock-malformed"),
        (b"[]", "lock-malformed"),
        (b'{"lock-version": 99}', "lock-newer"),
        (b'{"lock-version": 1}', "lock-malformed"),
        (edited(b'"1.6-2.1"', b'"1.6-2.2"'), "lock-edited"),
        (edited(DIGEST.encode(), b"cd" * 32), "lock-edited"),
        (edited(b'"size": 64000', b'"size": "64000"'), "lock-malformed"),
        (edited(b'"size": 64000', b'"sise": 64000'), "lock-malformed"),
        (b"<<<<<<< ours\n" + encode_lock(lock()), "lock-malformed"),
    ],
)
def test_what_is_not_a_lock_is_refused_by_name(data: bytes, identifier: str) -> None:
    with pytest.raises(LockError) as refused:
        decode_lock(data, "breakbulk.lock")
    assert refused.value.reference == identifier
    assert refused.value.where == "breakbulk.lock"
    assert refused.value.hint


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../etc/passwd"},
        {"file": "/etc/passwd"},
        {"file": "pool/./x"},
        {"name": "a/b"},
        {"name": ".."},
        {"version": "1\n2"},
        {"sha256": "ABC"},
        {"size": -1},
    ],
)
def test_names_that_could_leave_a_directory_are_refused_though_the_digest_is_right(change: dict[str, object]) -> None:
    with pytest.raises(LockError) as refused:
        decode_lock(encode_lock(lock(package(**change))), "f")
    assert refused.value.reference == "lock-malformed"


def test_what_somebody_vouches_for_is_in_no_lock() -> None:
    """It is known to one machine while it realises; a lock that has it was put together by hand."""
    believed, plain = lock(package(vouched="ab" * 32)), lock(package())
    assert encode_lock(believed) == encode_lock(plain)
    assert identity(believed) == identity(plain)
    data = edited(b'"size": 64000', b'"size": 64000, "vouched": "' + b"ab" * 32 + b'"')
    with pytest.raises(LockError) as refused:
        decode_lock(data, "f", edited=True)
    assert refused.value.reference == "lock-malformed"


@given(st.binary(max_size=200) | st.text(string.printable).map(str.encode))
def test_no_bytes_raise_anything_but_a_lock_error(data: bytes) -> None:
    with pytest.raises(LockError):
        decode_lock(data, "f")


def test_writing_is_skipped_when_nothing_changes(tmp_path) -> None:
    path = tmp_path / "breakbulk.lock"
    assert write_lock(path, lock()) is True
    before = path.stat()
    assert write_lock(path, lock()) is False
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert read_lock(path) == lock()
    assert [entry.name for entry in tmp_path.iterdir()] == ["breakbulk.lock"]


def test_no_lock_is_no_error(tmp_path) -> None:
    assert read_lock(tmp_path / "breakbulk.lock") is None


def test_a_directory_in_the_way_is_named(tmp_path) -> None:
    (tmp_path / "breakbulk.lock").mkdir()
    with pytest.raises(LockError) as refused:
        read_lock(tmp_path / "breakbulk.lock")
    assert refused.value.reference == "lock-unreadable"
    with pytest.raises(LockError) as refused:
        write_lock(tmp_path / "breakbulk.lock", lock())
    assert refused.value.reference == "lock-not-writable"
