"""The ecosystem `hub`: what was built with Breakbulk, resolved from what was published, and unpacked at its place.

What a package needs when it runs comes with it: its `runtime` descriptors are resolved with the environment's own
(`Resolution.installs`). An archive that was built on this machine is in the store already; any other is fetched through
the `Catalogue` that whoever opens the environment hands in.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from packageurl import PackageURL

from breakbulk.ecosystems.extraction import OWN, Stripped, extract
from breakbulk.ecosystems.hub.catalogue import Artifact, Catalogue, Release, matches, newest
from breakbulk.ecosystems.interface import Location, Request, Resolution, Unpacked
from breakbulk.ecosystems.source.making import Archives
from breakbulk.errors import NotFoundError, ResolutionError
from breakbulk.lock.model import Package, Python, Variant
from breakbulk.manifest.reading import from_builtins
from breakbulk.manifest.schema import CatalogInstall, Install
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Hub", "check_pythons"]

_SOURCE = re.compile(r"(?:.*/)?lib/python(?P<version>3\.\d+)/.*\.py")
_DEFAULT_SUITE = "bookworm"


class Hub:
    """Packages of a hub.

    Args:
        catalogue: Of the hub; None where there is none to ask.

    """

    def __init__(self, catalogue: Catalogue | None = None) -> None:
        self._catalogue = catalogue

    def __reduce__(self) -> tuple[type[Hub], tuple[()]]:
        """Let a worker process start with an instance of its own: it unpacks, and asks no hub."""
        return Hub, ()

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:  # noqa: ARG002
        """Return the packages that satisfy a request, and what they need beyond the hub.

        Raises:
            NotFoundError: `package-unknown`, `package-version-unknown`.
            ResolutionError: `package-system-missing`, `package-name-collision`; `hub-absent`, nobody said which hub.

        """
        if request.catalogue is None:
            raise ResolutionError(
                "packages of a hub are asked for, and there is none to ask",
                identifier="hub-absent",
                where=", ".join(f"install.{name}" for name in request.installs),
                hint="lock with `breakbulk lock`",
            )
        task = reporter.begin("packages of the hub")
        try:
            return _Resolving(request, request.catalogue).run()
        finally:
            task.finish()

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterator[Location]:  # noqa: ARG002
        """Yield the archive: built or brought here before, or brought now."""
        path = Archives(settings.store / "archives", settings.cache).path(package.sha256)
        if path.exists():
            yield Location(path=path)
        elif self._catalogue is not None:
            yield Location(path=self._catalogue.fetch(package))

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:  # noqa: ARG002
        """Unpack below the destination; sources in the directories of a Python are compiled for it."""
        place = Stripped(package.strip, (package.destination or f"/opt/{package.name}").strip("/"))
        content = extract(archive, into, archive=package.file, rules=OWN, placement=place)
        sources = (path for path in content if (found := _SOURCE.fullmatch(path)) and _is_for(found[1], package))
        return Unpacked(content=content, bytecode=tuple(sorted(sources)))


def check_pythons(packages: Iterable[Package], python: Python | None) -> None:
    """Raise `ResolutionError` `package-python-mismatch` for a package that is for another Python than `python`."""
    for package in packages:
        if package.python and (python is None or python.tag != package.python):
            found = f"Python {python.version}" if python else "no Python"
            raise ResolutionError(
                f"{package.name} {package.version} was built for {_words(package.python)}",
                identifier="package-python-mismatch",
                where=", ".join(package.why),
                why=f"the environment has {found}",
                hint="choose options.suite by its Python (bookworm 3.11, trixie 3.13), or have it built for this one",
            )


class _Resolving:
    """One resolution; a package may need others of the hub, so it goes on until nobody needs more."""

    def __init__(self, request: Request, catalogue: Catalogue) -> None:
        self._request = request
        self._catalogue = catalogue
        self._packages: dict[str, Package] = {}
        self._paths: dict[str, str] = {}
        self._installs: dict[str, Install] = {}
        self._notes: list[str] = []

    def run(self) -> Resolution:
        waiting = deque((f"install.{name}", install) for name, install in sorted(self._request.installs.items()))
        while waiting:
            why, install = waiting.popleft()
            assert isinstance(install, CatalogInstall)  # noqa: S101  # `resolving` groups descriptors by their type
            path = str(install.pkg_path)
            name = path.partition("/")[2]
            if self._paths.get(name, path) != path:
                raise _collision(name, self._paths[name], path)
            if name not in self._packages:
                waiting.extend(self._take(path, name, install, why))
            self._give_reason(name, why)
        return Resolution(
            packages=tuple(self._packages.values()), notes=tuple(self._notes), installs=dict(self._installs)
        )

    def _take(self, path: str, name: str, install: CatalogInstall, why: str) -> list[tuple[str, Install]]:
        """Choose a release and return what it needs of the hub itself."""
        release = self._choose(path, install, why)
        artifacts = _of_system(release, self._request.system)
        package = _package(release, artifacts, install, None if why.startswith("hub:") else why)
        self._paths[name], self._packages[name] = path, package
        self._note_suite(release)
        needs = from_builtins({"install": release.runtime}).install
        own = {key: each for key, each in needs.items() if _is_of_hub(each)}
        self._installs |= {f"@{package.id}/{key}": each for key, each in needs.items() if key not in own}
        return [(package.id, each) for each in own.values()]

    def _choose(self, path: str, install: CatalogInstall, why: str) -> Release:
        releases = self._catalogue.releases(path)
        here = [release for release in releases if _of_system(release, self._request.system)]
        if not here:
            raise _no_system(path, releases, self._request.system, why)
        return self._held(path, install, here) or newest(install.version, here) or _none(path, install, here, why)

    def _held(self, path: str, install: CatalogInstall, releases: Iterable[Release]) -> Release | None:
        """Return the release that is locked, as long as it is what is asked for and nothing is to move it."""
        name, upgrade = path.partition("/")[2], self._request.upgrade
        if upgrade is not None and (not upgrade or upgrade & {name, path, f"hub:{name}"} or self._named(path, upgrade)):
            return None
        locked = {each.sha256 for each in self._request.locked if each.name == name}
        fitting = [release for release in releases if matches(install.version, release.version)]
        return next((release for release in fitting if locked & {each.sha256 for each in release.artifacts}), None)

    def _named(self, path: str, upgrade: frozenset[str]) -> bool:
        installs = self._request.installs.items()
        return any(
            name in upgrade for name, each in installs if isinstance(each, CatalogInstall) and each.pkg_path == path
        )

    def _give_reason(self, name: str, why: str) -> None:
        package = self._packages[name]
        self._packages[name] = msgspec.structs.replace(package, why=tuple(sorted({*package.why, why})))

    def _note_suite(self, release: Release) -> None:
        suites = self._request.options.suite or _DEFAULT_SUITE
        first = suites if isinstance(suites, str) else suites[0] if isinstance(suites[0], str) else suites[0].name
        if release.suite is not None and release.suite != first:
            self._notes.append(
                f"{release.package} {release.version} was built in an environment of {release.suite}; this one is of "
                f"{first}, whose libraries may be others"
            )


def _is_for(version: str, package: Package) -> bool:
    return package.python == f"cpython-{version.replace('.', '')}"


def _is_of_hub(install: Install) -> bool:
    return isinstance(install, CatalogInstall) and "/" in str(install.pkg_path)


def _of_system(release: Release, system: str) -> list[Artifact]:
    """Return the archives for a system, that for the lowest level of CPU first."""
    return sorted((each for each in release.artifacts if each.system == system), key=lambda each: each.cpu or "")


def _package(release: Release, artifacts: list[Artifact], install: CatalogInstall, why: str | None) -> Package:
    owner, _, name = release.package.partition("/")
    lowest, *higher = artifacts
    return Package(
        ecosystem="hub",
        name=name,
        version=release.version,
        file=lowest.file,
        size=lowest.size,
        sha256=lowest.sha256,
        license=release.license,
        purl=PackageURL(type="generic", namespace=owner, name=name, version=release.version).to_string(),
        python=lowest.python,
        source=why.removeprefix("install.") if why else None,
        tree=lowest.tree,
        destination=lowest.destination,
        priority=install.priority,
        cpu=lowest.cpu,
        variants=tuple(
            Variant(cpu=each.cpu or "", file=each.file, size=each.size, sha256=each.sha256, tree=each.tree)
            for each in higher
        ),
    )


def _words(tag: str) -> str:
    digits = tag.removeprefix("cpython-")
    return f"Python {digits[:1]}.{digits[1:]}"


def _collision(name: str, first: str, second: str) -> ResolutionError:
    return ResolutionError(
        f"two packages of the hub are called {name}",
        identifier="package-name-collision",
        where=f"{first}, {second}",
        hint="install one of them; both would be at the same place",
    )


def _no_system(path: str, releases: Iterable[Release], system: str, why: str) -> ResolutionError:
    systems = sorted({each.system for release in releases for each in release.artifacts})
    return ResolutionError(
        f"{path} was not published for {system}",
        identifier="package-system-missing",
        where=why,
        why=f"it was for {', '.join(systems)}" if systems else "nothing of it was published",
        hint=f"build and publish it on a machine of {system}, or leave the system out with `systems` on the install",
    )


def _none(path: str, install: CatalogInstall, releases: Iterable[Release], why: str) -> Release:
    versions = ", ".join(dict.fromkeys(release.version for release in releases))
    raise NotFoundError(
        f"{path} has no version {install.version}",
        identifier="package-version-unknown",
        where=why,
        why=f"there are {versions}",
        hint='write one of them, or the beginning of one ("3.1" means any 3.1.x)',
    )
