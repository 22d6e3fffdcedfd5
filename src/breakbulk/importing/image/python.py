"""The Python distributions in an image, and which of them somebody asked for. Pure.

Installers leave a file REQUESTED beside what was asked for (PEP 376); where there is none at all, what nothing else
requires was. Debian's own directory is left out: what is in it are Debian's packages. Sources: the core metadata
specification, "Recording installed projects", and "Recording the direct URL origin".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.parser import BytesHeaderParser
from email.policy import compat32

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = ["METADATA", "PythonPackage", "installed", "requested"]

METADATA = re.compile(
    r"(?P<place>(?:.+/)?(?:lib/python(?P<minor>3\.\d+)/)?(?:site|dist)-packages)/[^/]+\.(?:dist|egg)-info"
    r"/(?P<file>METADATA|PKG-INFO|REQUESTED|direct_url\.json)"
)
_DEBIANS = "usr/lib/python3/dist-packages"
_TOOLS = {"pip", "setuptools", "wheel", "uv", "virtualenv"}


class PythonPackage(msgspec.Struct, frozen=True, kw_only=True):
    """An installed distribution; `origin` is `direct_url.json` where it came from no index."""

    name: str
    version: str
    requires: frozenset[str]
    asked: bool
    python: str | None
    origin: Mapping[str, object] | None


def installed(files: Mapping[str, bytes | None]) -> list[PythonPackage]:
    """Return the distributions outside of Debian's directory, the tools of installing left out."""
    found: dict[str, PythonPackage] = {}
    for path, data in files.items():
        match = METADATA.fullmatch(path)
        if match and data is not None and match["file"] in {"METADATA", "PKG-INFO"} and match["place"] != _DEBIANS:
            package = _package(path.rpartition("/")[0], data, files, match["minor"])
            if package is not None and package.name not in _TOOLS:
                found[package.name] = package
    return [found[name] for name in sorted(found)]


def requested(packages: Iterable[PythonPackage]) -> list[PythonPackage]:
    """Return the distributions that did not just come along."""
    every = list(packages)
    if any(package.asked for package in every):
        return [package for package in every if package.asked or package.origin is not None]
    needed = {name for package in every for name in package.requires - {package.name}}
    return [package for package in every if package.name not in needed]


def _package(
    place: str, data: bytes, files: Mapping[str, bytes | None], minor: str | None
) -> PythonPackage | None:  # fmt: skip
    headers = BytesHeaderParser(policy=compat32).parsebytes(data)
    name, version = str(headers.get("Name", "")).strip(), str(headers.get("Version", "")).strip()
    if not name or not version:
        return None
    return PythonPackage(
        name=canonicalize_name(name),
        version=version,
        requires=frozenset(_required(map(str, headers.get_all("Requires-Dist", [])))),
        asked=f"{place}/REQUESTED" in files,
        python=minor,
        origin=_origin(files.get(f"{place}/direct_url.json")),
    )


def _required(lines: Iterable[str]) -> Iterable[str]:
    """Yield the names that are required, those of extras left out."""
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if "extra" not in str(requirement.marker or ""):
            yield canonicalize_name(requirement.name)


def _origin(data: bytes | None) -> Mapping[str, object] | None:
    try:
        return msgspec.json.decode(data, type=dict[str, object]) if data else None
    except msgspec.DecodeError:
        return None
