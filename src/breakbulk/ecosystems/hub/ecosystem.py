"""The ecosystem `hub`: what was built with Breakbulk, unpacked at its place.

An archive that was built on this machine is in the store already; any other is fetched from the hub, through the
`Catalogue` that whoever opens the environment hands in: what a hub is, is known above.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from breakbulk.ecosystems.extraction import OWN, Stripped, extract
from breakbulk.ecosystems.interface import Location, Request, Resolution, Unpacked
from breakbulk.ecosystems.source.making import Archives
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import Install
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Hub"]

_SOURCE = re.compile(r"(?:.*/)?lib/python(?P<version>3\.\d+)/.*\.py")


class Hub:
    """Packages of a hub."""

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:
        """Return the packages that satisfy a request."""
        raise NotImplementedError

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterator[Location]:  # noqa: ARG002
        """Yield the archive built here, if it was."""
        path = Archives(settings.store / "archives", settings.cache).path(package.sha256)
        if path.exists():
            yield Location(path=path)

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:  # noqa: ARG002
        """Unpack below the destination; sources in the directories of a Python are compiled for it."""
        place = Stripped(package.strip, (package.destination or f"/opt/{package.name}").strip("/"))
        content = extract(archive, into, archive=package.file, rules=OWN, placement=place)
        tag = package.python
        sources = (path for path in content if (match := _SOURCE.fullmatch(path)) and _tag(match["version"]) == tag)
        return Unpacked(content=content, bytecode=tuple(sorted(sources)))


def _tag(version: str) -> str:
    return f"cpython-{version.replace('.', '')}"
