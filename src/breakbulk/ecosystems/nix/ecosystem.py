"""The ecosystem `nix`: store paths of this machine, and a way out for what only Nix could build.

Flox's catalog and flakes are not available: most of what is taken from them is in Debian or on PyPI, and the error
names it. A store path becomes one archive with its closure, at `/nix/store` as everywhere.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from packageurl import PackageURL

from breakbulk.ecosystems.extraction import OWN, extract
from breakbulk.ecosystems.interface import Location, Request, Resolution, Unpacked
from breakbulk.ecosystems.nix.closure import closure, items_of
from breakbulk.ecosystems.source.making import Archives, Made
from breakbulk.ecosystems.source.packing import pack
from breakbulk.ecosystems.source.selection import tree_digest
from breakbulk.errors import LockError, ResolutionError
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.importing.nixpkgs import PACKAGES
from breakbulk.manifest.schema import CatalogInstall, FlakeInstall, Install, StoreInstall
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Nix"]

_STORE_PATH = re.compile(r"/nix/store/(?P<hash>[0-9a-df-np-sv-z]{32})-(?P<name>[0-9A-Za-z+._?=-]+)(?:/.*)?")
_NAME_AND_VERSION = re.compile(r"(?P<name>.+?)-(?P<version>\d.*)")  # builtins.parseDrvName of Nix
_PYTHON_PACKAGE = re.compile(r"python3\d*Packages\.(.+)")
_SHORT = 12


class Nix:
    """Store paths, the catalog, flakes. `root` is where `nix/store` is found."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:
        """Return a package for each store path.

        Raises `ResolutionError`: `catalog-unavailable`, `flake-unsupported`, `store-path-missing`,
        `store-path-platform`.
        """
        packages = []
        for install_id, install in sorted(request.installs.items()):
            if isinstance(install, StoreInstall):
                task = reporter.begin(f"archive of {install.store_path}")
                packages.append(self._package(install_id, install, request.system, settings))
                task.finish()
            else:
                raise _needs_nix(install_id, install)
        return Resolution(packages=tuple(packages))

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterator[Location]:
        """Yield the archive made here; when it is gone, make it again; raise `LockError` `source-changed`."""
        path = _archives(settings).path(package.sha256)
        if not path.exists():
            made = self._make(install, settings) if isinstance(install, StoreInstall) else None
            if made is None or made.sha256 != package.sha256:
                raise LockError(
                    "the archive of a Nix store path is gone, and cannot be made again as it was locked",
                    identifier="source-changed",
                    where=f"{package.id} {package.version}",
                    hint="run `breakbulk lock`",
                )
        yield Location(path=path)

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:  # noqa: ARG002
        """Unpack to `/nix/store`."""
        return Unpacked(content=extract(archive, into, archive=package.file, rules=OWN))

    def _package(self, install_id: str, install: StoreInstall, system: str, settings: Settings) -> Package:
        running = f"{ {'arm64': 'aarch64', 'amd64': 'x86_64'}.get(platform.machine(), platform.machine()) }-linux"
        if system != running:
            raise ResolutionError(
                f"a path of this machine's Nix store does not run on {system}",
                identifier="store-path-platform",
                where=f"install.{install_id}",
                hint=f'give install.{install_id} systems = ["{running}"]',
            )
        made = self._make(install, settings)
        if made is None or made.name is None or made.version is None:
            raise ResolutionError(
                "the path is not in the Nix store of this machine",
                identifier="store-path-missing",
                where=f"install.{install_id}",
                why=install.store_path,
                hint="build or copy it here (`nix copy`), or take the program from Debian or PyPI",
            )
        return Package(
            ecosystem="nix",
            name=made.name,
            version=made.version,
            file=made.file,
            size=made.size,
            sha256=made.sha256,
            purl=PackageURL(type="nix", name=made.name, version=made.version).to_string(),
            why=(f"install.{install_id}",),
            source=install_id,
            tree=made.tree,
            priority=install.priority,
        )

    def _make(self, install: StoreInstall, settings: Settings) -> Made | None:
        """Return the archive of a store path, which never changes once it is there; None when it is not."""
        match = _STORE_PATH.fullmatch(install.store_path)
        if match is None or not (names := closure(self._root, f"{match['hash']}-{match['name']}")):
            return None
        items = items_of(self._root, names)
        tree = tree_digest(items)

        def make(file: IO[bytes]) -> Made:
            pack(self._root, items, file)
            parts = _NAME_AND_VERSION.fullmatch(match["name"])
            name, version = (parts["name"], parts["version"]) if parts else (match["name"], match["hash"][:_SHORT])
            return Made(file=f"{match['hash']}-{match['name']}.tar", tree=tree, name=name, version=version)

        return _archives(settings).made_once(f"nix-{tree}", make)


def _archives(settings: Settings) -> Archives:
    return Archives(settings.store / "archives", settings.cache)


def _needs_nix(install_id: str, install: Install) -> ResolutionError:
    where = f"install.{install_id}"
    if isinstance(install, FlakeInstall):
        return ResolutionError(
            "a Nix flake cannot be built",
            identifier="flake-unsupported",
            where=where,
            why=f"{install.flake} needs Nix, which environments do without",
            hint="take the program from Debian or PyPI, or build it elsewhere and give its url and sha256",
        )
    assert isinstance(install, CatalogInstall)  # noqa: S101  # `resolving` groups descriptors by their type
    path = install.pkg_path if isinstance(install.pkg_path, str) else ".".join(install.pkg_path)
    return ResolutionError(
        "a package of the Flox catalog is not available",
        identifier="catalog-unavailable",
        where=where,
        why=f"{path} is built with Nix, which environments do without",
        hint=_equivalent(install_id, path),
    )


def _equivalent(install_id: str, path: str) -> str:
    python = _PYTHON_PACKAGE.fullmatch(path)
    word = f"pypi:{python[1].replace('_', '-')}" if python else PACKAGES.get(path)
    if word is None:
        return "look for it with `breakbulk search`, or give the url and sha256 of an archive"
    ecosystem, _, name = word.partition(":")
    return f'write {install_id}.{ecosystem} = "{name}" in [install]'
