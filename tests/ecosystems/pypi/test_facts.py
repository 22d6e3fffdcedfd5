"""What a wheel on a server says of itself, with servers of several kinds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from breakbulk.ecosystems.pypi.credentials import Credentials
from breakbulk.ecosystems.pypi.facts import Facts, Wheel, gather
from breakbulk.ecosystems.pypi.locations import archive_path
from breakbulk.ecosystems.pypi.transport import Transport
from breakbulk.errors import ArchiveError, IntegrityError, NetworkError, NotFoundError
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

Read = Callable[..., Mapping[str, Facts]]


@pytest.fixture
def read(settings: Settings) -> Read:
    def connect() -> Transport:
        return Transport(Credentials((), settings), settings)

    def read(*wheels: Wheel) -> Mapping[str, Facts]:
        return gather(wheels, settings, SILENT, connect, lambda *_: ())

    return read


def offered(index: Any, making: Any, data: bytes, name: str = "demo") -> Wheel:
    index.add(data, making.name(name))
    package = making.package(data, name)
    return Wheel(name, package.file, package.sha256, (f"{index.address}/files/{package.file}",))


def test_one_request_answers_everything_about_a_small_wheel(index: Any, making: Any, read: Read) -> None:
    data = making.wheel(
        requires=("lib>=1",), metadata="License-Expression: mit\n", entry_points="[console_scripts]\nx = demo:x\n"
    )
    wheel = offered(index, making, data)
    facts = read(wheel)[wheel.sha256]
    assert index.requests == [(f"/files/{wheel.file}", "bytes=-65536")]
    assert (facts.size, facts.dist_info, facts.entry_points) == (
        len(data),
        "demo-1.0.dist-info",
        "[console_scripts]\nx = demo:x\n",
    )
    assert (facts.metadata.requires, facts.metadata.license) == (("lib>=1",), "MIT")
    assert {member.path for member in facts.members} >= {"demo/__init__.py", "demo-1.0.dist-info/RECORD"}


def test_a_large_wheel_is_read_in_few_parts(index: Any, making: Any, read: Read) -> None:
    files = {f"demo/{'long' * 20}{number}.py": os.urandom(2000) for number in range(3000)}
    wheel = offered(index, making, making.wheel(files=files))
    facts = read(wheel)[wheel.sha256]
    assert len(facts.members) == 3003
    assert len(index.requests) <= 3
    assert facts == read(wheel)[wheel.sha256]


def test_metadata_at_the_start_of_a_large_wheel_are_found(index: Any, making: Any, read: Read) -> None:
    import io
    import zipfile

    small = making.wheel(requires=("lib",))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(small)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("demo/large", os.urandom(3 << 20))
    wheel = offered(index, making, buffer.getvalue())
    assert read(wheel)[wheel.sha256].metadata.requires == ("lib",)
    assert len(index.requests) == 2


def test_a_server_without_ranges_gives_the_whole_wheel_which_is_kept(
    index: Any, making: Any, read: Read, settings: Settings
) -> None:
    index.ranges = False
    data = making.wheel(requires=("lib",), files={"demo/large": os.urandom(100_000)})
    wheel = offered(index, making, data)
    assert read(wheel)[wheel.sha256].metadata.requires == ("lib",)
    assert archive_path(wheel.sha256, settings).read_bytes() == data


def test_a_whole_wheel_with_other_bytes_is_refused_and_not_kept(
    index: Any, making: Any, read: Read, settings: Settings
) -> None:
    index.ranges = False
    wheel = offered(index, making, making.wheel())
    index.files[wheel.file] = making.wheel(version="1.0", files={"demo/evil.py": b""})
    with pytest.raises(IntegrityError):
        read(wheel)
    assert list((settings.cache / "archives").iterdir()) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_an_answer_cut_short_is_asked_for_again(index: Any, making: Any, read: Read, ranges: bool) -> None:
    index.ranges = ranges
    wheel = offered(index, making, making.wheel(requires=("lib",), files={"demo/large": os.urandom(10_000)}))
    index.cut_short[wheel.file] = 1
    assert read(wheel)[wheel.sha256].metadata.requires == ("lib",)


def test_a_server_that_never_finishes_is_a_network_error(index: Any, making: Any, read: Read) -> None:
    wheel = offered(index, making, making.wheel())
    index.cut_short[wheel.file] = 1000
    with pytest.raises(NetworkError) as caught:
        read(wheel)
    assert caught.value.reference == "index-unreachable"


def test_facts_are_read_once(index: Any, making: Any, read: Read) -> None:
    wheel = offered(index, making, making.wheel())
    first = read(wheel)
    index.status = 500
    assert read(wheel) == first


def test_half_a_cache_entry_is_read_again(index: Any, making: Any, read: Read, settings: Settings) -> None:
    wheel = offered(index, making, making.wheel())
    first = read(wheel)
    (entry,) = (path for path in (settings.cache / "wheels").rglob("*") if path.is_file())
    entry.write_bytes(entry.read_bytes()[:20])
    assert read(wheel) == first


def test_the_next_address_is_tried(index: Any, making: Any, read: Read) -> None:
    wheel = offered(index, making, making.wheel())
    gone = Wheel(wheel.name, wheel.file, wheel.sha256, (f"{index.address}/files/gone.whl", *wheel.addresses))
    assert wheel.sha256 in read(gone)


def test_a_wheel_that_nobody_has_is_named(making: Any, read: Read) -> None:
    package = making.package(b"")
    with pytest.raises(NotFoundError) as caught:
        read(Wheel("demo", package.file, package.sha256, ()))
    assert caught.value.reference == "archive-unlocated"


@pytest.mark.parametrize("data", [b"no wheel", b""])
def test_what_is_no_wheel_is_said_to_be_none(index: Any, making: Any, read: Read, data: bytes) -> None:
    index.ranges = False
    with pytest.raises(ArchiveError) as caught:
        read(offered(index, making, data))
    assert caught.value.reference == "wheel-invalid"


def test_certificates_that_cannot_be_read_are_named(settings: Settings) -> None:
    broken = replace(settings, environment={**settings.environment, "SSL_CERT_FILE": "/nonexistent.pem"})
    with pytest.raises(NetworkError) as caught:
        Transport(Credentials((), broken), broken)
    assert (caught.value.reference, caught.value.where) == ("certificates-unreadable", "/nonexistent.pem")
