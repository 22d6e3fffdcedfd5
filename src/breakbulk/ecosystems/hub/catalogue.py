"""What a hub tells of its packages, as far as resolving and realising need it; pure values, and one protocol.

What a hub is, is known above: `library` hands in a `Catalogue`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec

from breakbulk.lock.model import Package
from breakbulk.manifest.schema import CpuLevel

__all__ = ["Artifact", "Catalogue", "Release", "matches", "newest"]

_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"\A(?!\.)[^/\x00-\x1f\x7f]{1,255}\Z")]
_Place = Annotated[str, msgspec.Meta(pattern=r"\A(?:/(?!\.{1,2}(?:/|\Z))[^/\x00-\x1f\x7f]+)+\Z")]
"""Absolute, and no component climbs: whoever publishes decides it."""

_PIECE = re.compile(r"\d+|[A-Za-z]+")


class _Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    pass


class Artifact(_Table, frozen=True, kw_only=True):
    """One archive of a release, for one system.

    Attributes:
        system: Such as `x86_64-linux`.
        file: Name of the archive.
        sha256: Of the archive, 64 lowercase hexadecimal digits.
        size: Of the archive, in bytes.
        tree: Digest of the files in it.
        destination: Where they are in the root file system.
        python: Tag of the Python that they are for (`cpython-311`), None for none.
        cpu: Level of x86-64 that they need, None for any.

    """

    system: Annotated[str, msgspec.Meta(pattern=r"\A(?:x86_64|aarch64)-linux\Z")]
    file: _Name
    sha256: _Sha256
    size: Annotated[int, msgspec.Meta(ge=0)]
    tree: _Sha256
    destination: _Place
    python: Annotated[str, msgspec.Meta(pattern=r"\Acpython-3\d{1,2}\Z")] | None = None
    cpu: CpuLevel | None = None


class Release(_Table, frozen=True, kw_only=True):
    """One version of a package, as it was published once.

    Attributes:
        package: `owner/name`.
        version: As the recipe gave it.
        artifacts: At least one; several of one system differ in `cpu`.
        runtime: Install descriptors, as in a manifest, of what it needs when it runs.
        suite: Debian suite of the environment that it was built in.
        license: An SPDX expression, or words.
        description: One line.

    """

    package: str
    version: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z][0-9A-Za-z.+~_:-]{0,127}\Z")]
    artifacts: tuple[Artifact, ...]
    runtime: dict[str, Any] = {}
    suite: str | None = None
    license: str | None = None
    description: str | None = None


class Catalogue(Protocol):
    """The packages of a hub. Asked from several threads."""

    def releases(self, package: str) -> tuple[Release, ...]:
        """Return every release of `owner/name`, oldest first; raise `NotFoundError` `package-unknown`."""

    def fetch(self, package: Package) -> Path:
        """Return the verified archive of a package, brought here if need be; raise `NotFoundError` if it is gone."""


def matches(wanted: str | None, version: str) -> bool:
    """Say whether `version` is `wanted`, or begins with its components: 3.1 means 3.1 and 3.1.1, but not 3.10."""
    if wanted is None or wanted in {"", "*"}:
        return True
    stem = _stem(wanted)
    return version == stem or (version.startswith(stem) and not version[len(stem)].isalnum())


def newest(wanted: str | None, releases: Iterable[Release]) -> Release | None:
    """Return the release to take: the very version that is wanted, else the highest that matches, published last."""
    fitting = [release for release in releases if matches(wanted, release.version)]
    if wanted is not None and (exact := [release for release in fitting if release.version == wanted]):
        fitting = exact
    ranked = [(_rank(release.version), number, release) for number, release in enumerate(fitting)]
    return max(ranked, key=lambda each: each[:2])[2] if ranked else None


def _stem(wanted: str) -> str:
    return wanted.removesuffix("*").removesuffix(".")


def _rank(version: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that grows with the version: numbers count as numbers, and 1.0rc1 comes before 1.0."""
    pieces = [(2, int(piece), "") if piece.isdigit() else (0, 0, piece) for piece in _PIECE.findall(version)]
    return (*pieces, (1, 0, ""))
