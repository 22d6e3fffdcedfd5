"""What the packages of a lock will own, as far as it is known before anything is fetched.

Of a wheel the paths are in its central directory, which resolving has read; an archive of the user's own source is
here. Debian packages and archives at an address are known once they are in the store (see ADR 0004). Counterpart:
`store.composition`, which compares.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from breakbulk.ecosystems.registry import ecosystems
from breakbulk.errors import ArchiveError
from breakbulk.lock.model import Lock, Package
from breakbulk.manifest.schema import Install
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Listing", "listings", "same_paths"]

Listing = dict[str, str]
"""Relative path to a word that tells equal content from different; words of different ecosystems are never equal."""


def listings(
    packages: Iterable[Package], installs: Mapping[str, Install], settings: Settings, reporter: Reporter
) -> dict[str, Listing]:
    """Return the listings, by package id, of those whose content is known."""
    from breakbulk.ecosystems.pypi import Pypi

    packages = tuple(packages)
    wheels = [package for package in packages if package.file.endswith(".whl")]
    asked = [(package, installs.get(package.source or "")) for package in wheels]
    own = {
        package.sha256: _archive(package, install, settings)
        for package, install in asked
        if package.ecosystem == "source"
    }
    found = Pypi().listings(asked, settings, reporter, archives=own) if asked else {}
    for package in packages:
        if package.ecosystem == "source" and package not in wheels:
            found[package.id] = _tree(package, installs.get(package.source or ""), settings)
    return found


def same_paths(before: Lock, after: Lock, settings: Settings) -> bool:
    """Say whether every own source of `after` is at the same paths in `before`; False where that cannot be seen."""
    for system, locked in after.systems.items():
        held = {package.id: package for package in before.systems[system].packages} if system in before.systems else {}
        for package in locked.packages:
            known = held.get(package.id)
            if known is None or (known.priority, known.destination) != (package.priority, package.destination):
                return False
            if known.sha256 != package.sha256 and not _same_members(known, package, settings):
                return False
    return True


def _same_members(before: Package, after: Package, settings: Settings) -> bool:
    if after.file.endswith(".whl") or before.file.endswith(".whl"):
        return False
    archives = settings.store / "archives"
    try:
        with tarfile.open(archives / before.sha256) as first, tarfile.open(archives / after.sha256) as second:
            return first.getnames() == second.getnames()
    except (OSError, tarfile.TarError):
        return False


def _archive(package: Package, install: Install | None, settings: Settings) -> Path:
    """Return where the archive of an own source is; it is made again if it is gone."""
    return next(
        location.path for location in ecosystems()["source"].locate(package, install, settings) if location.path
    )


def _tree(package: Package, install: Install | None, settings: Settings) -> Listing:
    """List the tar that was made of a source."""
    archive = _archive(package, install, settings)
    top = (package.destination or f"/opt/{package.name}").strip("/")
    listing: Listing = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    file = tar.extractfile(member)
                    listing[f"{top}/{member.name}"] = hashlib.sha256(file.read() if file else b"").hexdigest()
                elif member.issym():
                    listing[f"{top}/{member.name}"] = member.linkname
    except (tarfile.TarError, OSError) as error:
        raise ArchiveError(
            "the archive of a source cannot be read", where=str(archive), why=str(error), hint="remove it, lock again"
        ) from error
    return listing
