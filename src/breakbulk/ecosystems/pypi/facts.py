"""What is known of a wheel without having it: size, metadata, members.

Facts belong to the digest of a wheel and never change, so they are kept in the cache for good and an environment
that has been locked once is locked again without asking. Of wheels on servers they are read by ranges, all wheels
side by side; of a server that knows no ranges the whole wheel is fetched, verified and kept in the cache, where the
store finds it.

Nothing here has been compared with the digest yet: facts fill in the lock's words and find file conflicts early. What
is unpacked is judged by its bytes.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from breakbulk.ecosystems.addresses import local_path
from breakbulk.ecosystems.pypi.locations import archive_path
from breakbulk.ecosystems.pypi.metadata import Metadata, parse_metadata
from breakbulk.ecosystems.pypi.remote_archive import RangesUnsupportedError, RemoteArchive
from breakbulk.ecosystems.pypi.scheme import DistInfoError, dist_info_directory
from breakbulk.ecosystems.pypi.transport import Transport
from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.errors import ArchiveError, BreakbulkError, NetworkError, NotFoundError
from breakbulk.lock.replacing import half_made
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Facts", "Member", "Wheel", "gather"]


class Member(msgspec.Struct, frozen=True, array_like=True):
    """One file of a wheel: its name there, CRC-32, size in bytes, and whether it is a program."""

    path: str
    crc: int
    size: int
    executable: bool = False


class Facts(msgspec.Struct, frozen=True):
    """What a wheel says of itself: `size` of the archive in bytes; `entry_points` is the text of that file."""

    size: int
    dist_info: str
    metadata: Metadata
    entry_points: str
    members: tuple[Member, ...]


class Wheel(msgspec.Struct, frozen=True):
    """A wheel that facts are wanted of, and the addresses where it may be had."""

    name: str
    file: str
    sha256: str
    addresses: tuple[str, ...]


def gather(
    wheels: Iterable[Wheel],
    settings: Settings,
    reporter: Reporter,
    connect: Callable[[], Transport],
    search: Callable[[Wheel, Transport], Iterable[str]],
) -> Mapping[str, Facts]:
    """Return the facts of all wheels by digest, from the cache as far as they are there.

    `search` yields further addresses of a wheel where its own do not answer; nothing is connected when all is known.
    Raises `NetworkError`, `NotFoundError`, `ArchiveError` (`wheel-invalid`), `IntegrityError`.
    """
    wheels = tuple(wheels)
    known = {wheel.sha256: facts for wheel in wheels if (facts := _cached(wheel, settings)) is not None}
    missing = [wheel for wheel in wheels if wheel.sha256 not in known]
    if not missing:
        return known
    task = reporter.begin("Reading what the wheels need", total=len(missing), unit="packages")
    try:
        with connect() as transport:

            def one(wheel: Wheel) -> tuple[str, Facts]:
                facts = _read_any(wheel, settings, transport, search)
                _keep(wheel, facts, settings)
                task.advance()
                return wheel.sha256, facts

            return known | dict(side_by_side(one, missing, threads=settings.downloads))
    finally:
        task.finish()


def _read_any(
    wheel: Wheel, settings: Settings, transport: Transport, search: Callable[[Wheel, Transport], Iterable[str]]
) -> Facts:
    """Return the facts from the first address that gives them."""
    failure: BreakbulkError = NotFoundError(
        f"none of the configured indexes has the wheel {wheel.file}",
        identifier="archive-unlocated",
        where=f"pypi:{wheel.name}",
        hint="configure the index it was locked from, or lock again",
    )
    kept = archive_path(wheel.sha256, settings)
    known = (*([kept.as_uri()] if kept.exists() else []), *wheel.addresses)
    for address in chain(known, search(wheel, transport)):
        try:
            return _read(wheel, address, settings, transport)
        except (NetworkError, NotFoundError) as error:
            failure = error
    raise failure


def _read(wheel: Wheel, address: str, settings: Settings, transport: Transport) -> Facts:
    path = local_path(address)
    if path is None:
        try:
            return _facts(wheel, cast("BinaryIO", RemoteArchive(address, transport)))
        except RangesUnsupportedError:
            path = archive_path(wheel.sha256, settings)
            path.parent.mkdir(parents=True, exist_ok=True)
            transport.download(address, wheel.sha256, path)
    try:
        with path.open("rb") as file:
            return _facts(wheel, file)
    except OSError as error:
        raise NotFoundError(
            f"the wheel {wheel.file} cannot be read", where=str(path), why=error.strerror, hint="put it back there"
        ) from error


def _facts(wheel: Wheel, file: BinaryIO) -> Facts:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            dist_info = dist_info_directory(names, wheel.name)
            entry_points = f"{dist_info}/entry_points.txt"
            return Facts(
                size=file.seek(0, os.SEEK_END),
                dist_info=dist_info,
                metadata=parse_metadata(archive.read(f"{dist_info}/METADATA").decode("utf-8", "replace")),
                entry_points=archive.read(entry_points).decode("utf-8", "replace") if entry_points in names else "",
                members=tuple(_member(info) for info in archive.infolist() if not info.is_dir()),
            )
    except (zipfile.BadZipFile, DistInfoError, KeyError, NotImplementedError, EOFError) as error:
        raise ArchiveError(
            f"{wheel.file} is not the wheel it should be",
            identifier="wheel-invalid",
            where=wheel.file,
            why=str(error),
            hint=f"ask for another version of {wheel.name}; tell those who publish it",
        ) from error


def _member(info: zipfile.ZipInfo) -> Member:
    return Member(info.filename, info.CRC, info.file_size, bool((info.external_attr >> 16) & 0o111))


def _cache_path(wheel: Wheel, settings: Settings) -> Path:
    return settings.cache / "wheels" / wheel.sha256[:2] / f"{wheel.sha256}.2"


def _cached(wheel: Wheel, settings: Settings) -> Facts | None:
    try:
        return msgspec.msgpack.decode(_cache_path(wheel, settings).read_bytes(), type=Facts)
    except (OSError, msgspec.DecodeError):  # not there, or half of it: it can be had again
        return None


def _keep(wheel: Wheel, facts: Facts, settings: Settings) -> None:
    path = _cache_path(wheel, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with half_made(path) as temporary:
        temporary.write_bytes(msgspec.msgpack.encode(facts))
