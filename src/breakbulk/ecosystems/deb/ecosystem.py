"""Debian packages: the face of this package to the rest of Breakbulk.

Resolving is `gathering` (indices), `requesting` (what is asked for), `resolver` (what is chosen) and `packaging` (how
it stands in the lock), in this order. Locating turns a locked file into addresses at the user's mirrors. Unpacking is
`unpacking`'s.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import msgspec

from breakbulk.ecosystems.interface import Location, Request, Resolution, Unpacked
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import DebInstall, Install, Options
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.ecosystems.deb.requesting import Asked
    from breakbulk.ecosystems.deb.sources import Source
    from breakbulk.ecosystems.deb.universe import Universe, Version

__all__ = ["Deb", "Found", "search"]


class Found(msgspec.Struct, frozen=True):
    """A package that a search found."""

    name: str
    version: str
    summary: str
    suite: str


class Deb:
    """The ecosystem `deb`; `clock` tells the time in seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:
        """Return the packages that satisfy `request`.

        Raises:
            ResolutionError: `resolution-impossible`, `why` says who asks for what.
            NotFoundError: `deb-package-unknown`, `deb-suite-unknown`, `deb-component-unknown`.
            IntegrityError: An index that must not be believed; see `acceptance`, `signatures`, `archive`.
            NetworkError: A mirror that does not answer, and no index of it on this machine.
            ManifestError: Sources or versions that cannot be read.

        """
        from breakbulk.ecosystems.deb.gathering import architecture_of, gather
        from breakbulk.ecosystems.deb.packaging import lock_packages
        from breakbulk.ecosystems.deb.requesting import read_installs
        from breakbulk.ecosystems.deb.resolver import resolve_packages

        targets = [each.suite for each in request.installs.values() if isinstance(each, DebInstall) and each.suite]
        opened = gather(
            request.options,
            architecture_of(request.system),
            settings,
            reporter,
            now=self._clock(),
            targets=targets,
            always=request.upgrade is not None,
        )
        with opened as gathered:
            notes = gathered.notes
            asked = read_installs(request.installs, gathered.universe, gathered.suites, notes.append)
            if request.options.base == "essential":
                asked = (*asked, *_essential(gathered.universe.essential()))
            kept = _kept(request)
            gathered.remember(kept)
            held = {package.name: package.version for package in kept}
            chosen = resolve_packages(gathered.universe, asked, held=held, suites=gathered.suites)
            reasons: dict[str, list[str]] = {}
            for each in asked:
                reasons.setdefault(each.name, []).append(each.why)
            packages = lock_packages(chosen, gathered.universe, reasons)
        return Resolution(packages=packages, notes=tuple(dict.fromkeys(notes)))

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterable[Location]:
        """Yield the places of a package's archive: every mirror of its suite, then of that suite's main suite."""
        del install  # a Debian package is where its suite is
        from breakbulk.ecosystems.addresses import without_credentials
        from breakbulk.ecosystems.deb.credentials import authorisation, read_credentials

        credentials = read_credentials(settings.apt_directory)
        for root in dict.fromkeys(source.uri for source in _sources(package, settings)):
            url = f"{root}/{quote(package.file, safe='/~')}"
            if root.startswith(("file:", "copy:")):
                yield Location(path=Path(unquote(urlsplit(root).path)) / package.file)
            else:
                yield Location(url=without_credentials(url), headers=authorisation(url, credentials))

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack a verified archive into the empty directory `into`."""
        from breakbulk.ecosystems.deb.unpacking import unpack_deb

        return unpack_deb(archive, package, python, into)


def search(
    settings: Settings,
    words: Sequence[str],
    limit: int,
    *,
    options: Options | None = None,
    reporter: Reporter = SILENT,
    clock: Callable[[], float] = time.time,
) -> list[Found]:
    """Return packages with all `words` in name or summary, best first, each in the version that would be chosen."""
    from breakbulk.ecosystems.deb.gathering import gather

    architecture = {"aarch64": "arm64"}.get(platform.machine(), "amd64")
    with gather(options or Options(), architecture, settings, reporter, now=clock()) as gathered:
        summaries: dict[str, dict[str, str]] = {}
        for volume in gathered.universe.volumes:
            for name, version, summary in volume.index.search(tuple(words), limit):
                summaries.setdefault(name, {}).setdefault(version, summary)
        first = words[0].lower() if words else ""
        ordered = sorted(summaries, key=lambda name: (name != first, first not in name, len(name), name))
        return [_found(version, summaries[version.name]) for version in _candidates(ordered[:limit], gathered.universe)]


def _candidates(names: Iterable[str], universe: Universe) -> Iterator[Version]:
    """Yield what an install of each name would get; of a name that only an explicit suite gives, the newest."""
    from breakbulk.ecosystems.deb.universe import Preferences

    preferences = Preferences(universe)
    for name in names:
        if version := preferences.candidate(name) or next(iter(universe.versions(name)), None):
            yield version


def _found(version: Version, summaries: Mapping[str, str]) -> Found:
    summary = summaries.get(version.version) or next(iter(summaries.values()))
    return Found(version.name, version.version, summary, version.volume.suite)


def _essential(names: Iterable[str]) -> Iterator[Asked]:
    from breakbulk.ecosystems.deb.requesting import Asked

    return (Asked(install=f"@base/{name}", name=name, text=f"{name} (Essential)") for name in names)


def _kept(request: Request) -> tuple[Package, ...]:
    """Return the locked packages that are not to move."""
    if request.upgrade is None:
        return request.locked
    if not request.upgrade:
        return ()
    moved = set(request.upgrade)
    moved |= {
        install.deb.partition(":")[0]
        for name, install in request.installs.items()
        if isinstance(install, DebInstall) and name in request.upgrade
    }
    return tuple(package for package in request.locked if package.name not in moved)


def _sources(package: Package, settings: Settings) -> Iterator[Source]:
    """Yield the sources a package may be had from, those of its own suite first."""
    from breakbulk.ecosystems.deb.snapshots import remembered_snapshots
    from breakbulk.ecosystems.deb.sources import read_sources
    from breakbulk.ecosystems.deb.suites import DEFAULT_SUITE, Wanted, select

    architecture = package.file.removesuffix(".deb").rpartition("_")[2]
    suite = package.suite or DEFAULT_SUITE
    sources = read_sources(settings.apt_directory, "amd64" if architecture == "all" else architecture)
    yield from (each.source for each in select(sources, [Wanted(suite)]) if each.source.suite == suite)
    yield from remembered_snapshots(settings.cache, suite)
    main = suite.partition("-")[0].partition("/")[0]
    yield from (each.source for each in select(sources, [Wanted(main)]))
