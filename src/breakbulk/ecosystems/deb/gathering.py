"""From settings and options to a `Universe`: which suites, from which mirrors, at which moment.

This is the one place where the parts that read apt's configuration, fetch indices and join them meet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from breakbulk.ecosystems.deb.acceptance import Acceptance
from breakbulk.ecosystems.deb.archive import Archive
from breakbulk.ecosystems.deb.configuration import Configuration, read_configuration
from breakbulk.ecosystems.deb.credentials import read_credentials
from breakbulk.ecosystems.deb.fetching import Fetcher
from breakbulk.ecosystems.deb.index import Index
from breakbulk.ecosystems.deb.memory import Memory
from breakbulk.ecosystems.deb.release import Release
from breakbulk.ecosystems.deb.snapshots import (
    Snapshot,
    parse_snapshot,
    remember_snapshot,
    snapshot_of,
    snapshot_source,
)
from breakbulk.ecosystems.deb.sources import Source, read_sources
from breakbulk.ecosystems.deb.suites import Selected, requested_suites, select
from breakbulk.ecosystems.deb.universe import Universe, Version, Volume
from breakbulk.errors import ManifestError, NotFoundError, PlatformError
from breakbulk.lock.model import Package
from breakbulk.manifest.schema import Options
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Gathered", "architecture_of", "gather"]

_ARCHITECTURES = {"x86_64-linux": "amd64", "aarch64-linux": "arm64"}


class Gathered(msgspec.Struct, frozen=True):
    """A universe, with what is needed to speak about it.

    Attributes:
        universe: What may be chosen from.
        suites: Names of the suites that each suite of the manifest stands for, companions included.
        notes: What the user should know.
        archive: Where former indices are.
        sources: Of each volume, in the universe's order.

    """

    universe: Universe
    suites: dict[str, frozenset[str]]
    notes: list[str]
    archive: Archive
    sources: tuple[Source, ...]

    def remember(self, packages: Sequence[Package]) -> None:
        """Add locked packages that the suites no longer offer, as far as an older index on this machine has them."""
        missing = [package for package in packages if not self._offers(package)]
        if not missing:
            return
        for source, volume in zip(self.sources, self.universe.volumes, strict=True):
            here = [package for package in missing if package.suite == volume.suite]
            for path in self.archive.former_indices(source) if here else ():
                with contextlib.closing(Index(path)) as former:
                    for package in here:
                        self._add_from(former, package, volume)

    def _offers(self, package: Package) -> bool:
        return any(version.version == package.version for version in self.universe.versions(package.name))

    def _add_from(self, former: Index, package: Package, volume: Volume) -> None:
        for stanza in former.stanzas(package.name):
            if stanza.version == package.version and stanza.sha256 == package.sha256:
                self.universe.add(Version(stanza, volume))


def architecture_of(system: str) -> str:
    """Return Debian's name of a system's architecture."""
    try:
        return _ARCHITECTURES[system]
    except KeyError:
        raise PlatformError(
            f"Debian has no packages for {system}",
            identifier="system-unsupported",
            hint=f"options.systems may hold {' and '.join(_ARCHITECTURES)}",
        ) from None


@contextlib.contextmanager
def gather(
    options: Options,
    architecture: str,
    settings: Settings,
    reporter: Reporter,
    *,
    now: float,
    targets: Sequence[str] = (),
    always: bool = False,
) -> Iterator[Gathered]:
    """Open the indices of every suite a manifest asks for; closed at the end of the `with`.

    Args:
        options: Those of the manifest: suites and snapshot.
        architecture: Debian's name of it.
        settings: Cache and apt's directory.
        reporter: Sees transfers.
        now: Seconds since the epoch.
        targets: Suites that single installs name.
        always: Ask every mirror, however fresh the last answer is.

    """
    configuration = read_configuration(settings.apt_directory)
    wanted = requested_suites(options, targets)
    selected = select(read_sources(settings.apt_directory, architecture), wanted)
    snapshot = parse_snapshot(options.snapshot) if options.snapshot else None
    with contextlib.ExitStack() as stack:
        fetcher = Fetcher(settings, read_credentials(settings.apt_directory), reporter)
        stack.callback(fetcher.close)
        memory = Memory(settings.cache / "deb")
        acceptance = Acceptance(settings, fetcher, configuration, memory, now=now, always=always)
        archive = Archive(settings.cache / "deb" / "indices", fetcher, memory)
        opening = _Opening(
            acceptance,
            archive,
            memory.notes,
            configuration=configuration,
            architecture=architecture,
            cache=settings.cache,
            stack=stack,
        )
        for each in selected:
            opening.open(each, snapshot)
        suites = {
            name.name: frozenset(each.source.suite for each in selected if each.suite == name.name) for name in wanted
        }
        universe = Universe(opening.volumes, architecture)
        yield Gathered(universe, suites, memory.notes, archive, tuple(opening.sources))


class _Opening:
    """Opens volumes one after the other, in apt's order."""

    def __init__(
        self,
        acceptance: Acceptance,
        archive: Archive,
        notes: list[str],
        *,
        configuration: Configuration,
        architecture: str,
        cache: Path,
        stack: contextlib.ExitStack,
    ) -> None:
        self._cache = cache
        self._acceptance = acceptance
        self._archive = archive
        self._notes = notes
        self._configuration = configuration
        self._architecture = architecture
        self._stack = stack
        self.volumes: list[Volume] = []
        self.sources: list[Source] = []

    def open(self, selected: Selected, wanted: Snapshot | None) -> None:
        source, at = selected.source, None
        if snapshot := snapshot_of(source, wanted):
            live = self._acceptance.release(source, optional=selected.optional)
            try:
                source, at = snapshot_source(source, live, snapshot, self._configuration), snapshot.seconds
            except ManifestError as error:
                if source.snapshot is not None:
                    raise  # apt itself is told to use a snapshot: there is no other archive to fall back to
                self._notes.append(
                    f"{source.suite} is resolved as of today, not {snapshot.identifier}: {error.message}; {error.hint}"
                )
        release = self._acceptance.release(source, at=at, optional=selected.optional)
        if release is None:
            if selected.optional:
                self._notes.append(f"{selected.suite} has no suite {source.suite} beside it; it goes without")
                return
            raise _unknown_suite(source)
        for component in source.components or ("",):
            self._open_component(selected, source, release, component)
        if at is not None:
            remember_snapshot(self._cache, source)

    def _open_component(self, selected: Selected, source: Source, release: Release, component: str) -> None:
        for path in self._archive.indices(source, release, component, self._architecture):
            index = self._stack.enter_context(Index(path))
            pin = release.pin if selected.pin is None else selected.pin
            origin = release.origin or release.label
            self.volumes.append(Volume(index, suite=source.suite, component=component, pin=pin, origin=origin))
            self.sources.append(source)


def _unknown_suite(source: Source) -> NotFoundError:
    return NotFoundError(
        f"the mirror has no suite {source.suite!r}",
        identifier="deb-suite-unknown",
        where=source.where,
        hint="correct options.suite; suites are named as in apt's sources: bookworm, trixie, bookworm-backports",
    )
