"""The ecosystem `archive`: a file at an address, whose digest the manifest names, becomes a tree at its destination.

Nothing is downloaded to lock it where the server says how large it is. The lock names the file and not the host; the
address is the manifest's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from packageurl import PackageURL

from breakbulk.ecosystems.addresses import local_path
from breakbulk.ecosystems.archive.sizing import authorisation, downloaded, size_of
from breakbulk.ecosystems.extraction import STRANGER, Stripped, extract, refusal
from breakbulk.ecosystems.interface import Location, Request, Resolution, Unpacked
from breakbulk.errors import LockError
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import ArchiveInstall, Install
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Archive"]

_SHORT = 12  # digits of the digest that serve as a version
_UNSAFE = re.compile(r"[^A-Za-z0-9._+~-]")


class Archive:
    """Archives at an address."""

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:
        """Return a package for each archive; those whose digest is locked already are not asked for again.

        Raises `NetworkError`, `NotFoundError` or `IntegrityError` as `size_of` finds.
        """
        sizes = {package.sha256: package.size for package in request.locked}
        packages = []
        task = reporter.begin("sizes of archives", total=len(request.installs))
        try:
            for install_id, install in sorted(request.installs.items()):
                assert isinstance(install, ArchiveInstall)  # noqa: S101  # `resolving` groups descriptors by their type
                sha256 = install.sha256.lower()
                size = sizes.get(sha256)
                size = size_of(install.url, sha256, settings) if size is None else size
                packages.append(_package(install_id, install, sha256, size))
                task.advance()
        finally:
            task.finish()
        return Resolution(packages=tuple(packages))

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterator[Location]:
        """Yield the file itself, one downloaded while locking, or the address with what netrc knows of its host."""
        if not isinstance(install, ArchiveInstall):
            raise LockError(
                "the lock holds an archive that the manifest does not",
                where=package.id,
                hint="run `breakbulk lock`",
            )
        kept = downloaded(package.sha256, settings)
        if (path := local_path(install.url)) is not None:
            yield Location(path=path)
        elif kept.exists():
            yield Location(path=kept)
        else:
            yield Location(url=install.url, headers=authorisation(install.url, settings))

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:  # noqa: ARG002
        """Unpack below the destination; raise `ArchiveError` `archive-empty` when stripping leaves nothing."""
        below = (package.destination or f"/opt/{package.name}").strip("/")
        content = extract(archive, into, archive=package.file, rules=STRANGER, placement=Stripped(package.strip, below))
        if not content:
            raise refusal(
                "nothing of the archive is left to unpack",
                identifier="archive-empty",
                archive=package.file,
                why=f"strip = {package.strip} drops the whole path of every member" if package.strip else "it is empty",
            )
        return Unpacked(content=content)


def _package(install_id: str, install: ArchiveInstall, sha256: str, size: int) -> Package:
    name = PurePosixPath(unquote(urlsplit(install.url).path)).name or install_id
    version = sha256[:_SHORT]
    purl = PackageURL(type="generic", name=install_id, version=version, qualifiers={"checksum": f"sha256:{sha256}"})
    return Package(
        ecosystem="archive",
        name=install_id,
        version=version,
        file=_UNSAFE.sub("_", name),
        size=size,
        sha256=sha256,
        purl=purl.to_string(),
        why=(f"install.{install_id}",),
        source=install_id,
        strip=install.strip,
        destination=install.destination or f"/opt/{install_id}",
        priority=install.priority,
    )
