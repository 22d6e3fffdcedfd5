"""What uv chose: `pylock.toml` read, and of each distribution the one wheel that is locked.

uv lists every wheel of a version that runs on the target; the lock holds one: the wheel that is locked already as
long as it is offered, else the one that suits best. Addresses are kept apart from what is locked. Pure.

Format: https://packaging.python.org/specifications/pylock-toml/ (PEP 751); of wheel names PEP 427.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from breakbulk.ecosystems.addresses import without_credentials
from breakbulk.ecosystems.pypi.target import Target
from breakbulk.errors import ResolutionError
from breakbulk.lock.model import Package

__all__ = ["Chosen", "preferences", "read_pylock"]

_SHA256 = re.compile("[0-9a-f]{64}")


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution as uv chose it, and its wheel.

    Attributes:
        name: Normalised (PEP 503).
        version: As uv writes it.
        file: The wheel's file name.
        sha256: Of the wheel.
        addresses: Where it may be had: URLs (`file:` for wheel directories), credentials taken out.
        direct: Whether a requirement named the archive itself.

    """

    name: str
    version: str
    file: str
    sha256: str
    addresses: tuple[str, ...]
    direct: bool = False


class _Archive(msgspec.Struct):
    hashes: dict[str, str] = {}
    url: str | None = None
    path: str | None = None
    name: str | None = None

    @property
    def address(self) -> str:
        return self.url or f"file://{self.path}"

    @property
    def file(self) -> str:
        return self.name or unquote(PurePosixPath(urlsplit(self.address).path).name)


class _Distribution(msgspec.Struct):
    name: str
    version: str = ""
    wheels: list[_Archive] = []
    archive: _Archive | None = None


class _Pylock(msgspec.Struct):
    packages: list[_Distribution] = []


def read_pylock(text: str, target: Target, locked: Iterable[Package]) -> list[Chosen]:
    """Return what uv chose, sorted by name; raise `ResolutionError` when a distribution has no wheel to lock."""
    held = {package.name: package for package in locked}
    distributions = msgspec.convert(tomllib.loads(text), _Pylock).packages
    chosen = [_choose(each, target, held.get(canonicalize_name(each.name))) for each in distributions]
    return sorted(chosen, key=lambda each: each.name)


def preferences(locked: Iterable[Package]) -> str:
    """Return a `pylock.toml` of what is locked, which uv keeps unless something forces it to move."""
    entries = [f'[[packages]]\nname = "{each.name}"\nversion = "{each.version}"\n' for each in locked]
    return "\n".join(('lock-version = "1.0"\ncreated-by = "breakbulk"\n', *entries))


def _choose(distribution: _Distribution, target: Target, held: Package | None) -> Chosen:
    if distribution.archive is not None:
        return _chosen(distribution, distribution.archive, [distribution.archive])
    suitable = [
        (rank, wheel)
        for wheel in distribution.wheels
        if "sha256" in wheel.hashes and (rank := _rank(wheel.file, target)) is not None
    ]
    if not suitable:
        raise ResolutionError(
            f"no wheel of {distribution.name} {distribution.version} can be locked for {target.words}",
            identifier="no-matching-wheel",
            where=f"pypi:{distribution.name}",
            why="the index offers none with a SHA-256 and a tag that runs there",
            hint=f"ask for another version of {distribution.name}",
        )
    kept = [wheel for _, wheel in suitable if held and held.sha256 == wheel.hashes["sha256"]]
    wheel = kept[0] if kept else min(suitable, key=lambda each: each[0])[1]
    return _chosen(distribution, wheel, [other for _, other in suitable if other.hashes == wheel.hashes])


def _chosen(distribution: _Distribution, archive: _Archive, same: list[_Archive]) -> Chosen:
    sha256 = archive.hashes.get("sha256", "").lower()
    if not _SHA256.fullmatch(sha256) or not archive.file.endswith(".whl"):
        raise ResolutionError(
            f"{distribution.name} is not a wheel with a SHA-256: {archive.file}",
            identifier="no-matching-wheel",
            where=f"pypi:{distribution.name}",
            hint='name a wheel: "name @ https://.../name-1.0-py3-none-any.whl#sha256=..."',
        )
    return Chosen(
        name=canonicalize_name(distribution.name),
        version=distribution.version or str(parse_wheel_filename(archive.file)[1]),
        file=archive.file,
        sha256=sha256,
        addresses=tuple(dict.fromkeys(without_credentials(each.address) for each in same)),
        direct=distribution.archive is not None,
    )


def _rank(file: str, target: Target) -> tuple[int, int] | None:
    """Return how well a wheel suits, the least first: by its tags, then the highest build number."""
    try:
        _, _, build, tags = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return None
    rank = target.rank(tags)
    return None if rank is None else (rank, -build[0] if build else 0)
