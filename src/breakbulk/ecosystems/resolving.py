"""From a composed manifest to a lock: ask every ecosystem, in the order in which one decides for the next.

The order is packages of the hub (which bring requirements along), own sources (a Python project's wheel says which
distributions it needs), Debian (which brings the Python that wheels are chosen for), PyPI, then archives and the rest.
Systems are independent of each other and resolved side by side. Nothing is written but the archives of own sources; the
caller writes the lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import msgspec

from breakbulk.ecosystems.hub.catalogue import Catalogue
from breakbulk.ecosystems.hub.ecosystem import check_pythons
from breakbulk.ecosystems.interface import LocalWheel, Request, Resolution, WheelBuilder
from breakbulk.ecosystems.registry import ecosystems
from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.errors import ManifestError, NotFoundError, ResolutionError
from breakbulk.lock.model import LOCK_VERSION, EcosystemName, Lock, LockedSystem, Package, Python
from breakbulk.manifest.reading import to_builtins
from breakbulk.manifest.schema import (
    ArchiveInstall,
    CatalogInstall,
    DebInstall,
    GitInstall,
    Install,
    Manifest,
    Options,
    PathInstall,
    PypiInstall,
)
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

__all__ = [
    "BASE_PACKAGES",
    "DEFAULT_SYSTEMS",
    "PYTHON_PACKAGES",
    "Resolved",
    "ecosystem_of",
    "ecosystems",
    "resolve",
    "systems_of",
]

DEFAULT_SYSTEMS = ("x86_64-linux", "aarch64-linux")
BASE_PACKAGES = (
    "base-files",
    "base-passwd",
    "bash",
    "ca-certificates",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "ncurses-base",
    "netbase",
    "sed",
    "tar",
    "tzdata",
    "util-linux",
)
"""What every environment has unless `options.base` is `none`: enough for hooks, TLS, time zones, `kubectl exec` and
`kubectl cp`, and what programs of Debian packages expect without saying so (`su`, `getopt`): there it is
Essential."""

PYTHON_PACKAGES = ("python3", "libexpat1", "libgcc-s1", "libstdc++6", "zlib1g")
"""What an environment with wheels has: the interpreter, and the libraries that a manylinux wheel may expect of any
system (PEP 599, PEP 600), without those of a desktop."""


class Resolved(msgspec.Struct, frozen=True):
    """A lock that is not written yet, what the user should know about it, and whether only own sources are new."""

    lock: Lock
    notes: tuple[str, ...] = ()
    refreshed: bool = False


def ecosystem_of(install: Install) -> EcosystemName:
    """Return the ecosystem that knows a descriptor."""
    match install:
        case PypiInstall():
            return "pypi"
        case DebInstall():
            return "deb"
        case PathInstall() | GitInstall():
            return "source"
        case ArchiveInstall():
            return "archive"
        case CatalogInstall(pkg_path=str(path)) if "/" in path:
            return "hub"
        case _:
            return "nix"


def systems_of(options: Options) -> tuple[str, ...]:
    """Return the Linux systems of an environment; raise `ManifestError` when it has none."""
    wanted = options.systems or DEFAULT_SYSTEMS
    linux = tuple(system for system in DEFAULT_SYSTEMS if system in wanted)
    if not linux:
        raise ManifestError(
            f"options.systems holds no Linux system, only {', '.join(wanted)}",
            identifier="no-linux-system",
            hint='add "x86_64-linux" or "aarch64-linux": environments run on Linux',
        )
    return linux


def resolve(
    manifest: Manifest,
    directory: Path,
    settings: Settings,
    *,
    previous: Lock | None = None,
    upgrade: frozenset[str] | None = None,
    kept: Mapping[str, Mapping[str, Package]] = MappingProxyType({}),
    catalogue: Catalogue | None = None,
    builder: WheelBuilder | None = None,
    reporter: Reporter = SILENT,
) -> Resolved:
    """Return the lock of `manifest`, whose relative paths start at `directory`.

    Args:
        manifest: Composed.
        directory: Of the manifest.
        settings: Of this process.
        previous: The lock so far: what it holds stays unless something forces it to move.
        upgrade: Names to move to their newest (install ids or package names); None keeps all, empty moves all.
        kept: Sources that are not here, by install id; the package that each stays, by system.
        catalogue: The packages of the hub, for those that the manifest asks it for.
        builder: Builds the wheels that the manifest wants built.
        reporter: Who is told of progress.

    Raises:
        ResolutionError: Nothing satisfies the manifest; `why` says who asks for what.
        ManifestError, NetworkError, IntegrityError, BuildError: As the ecosystems find.

    """
    import sysconfig

    systems = systems_of(manifest.options)
    inputs = input_digests(manifest.options, directory)

    def one(system: str) -> tuple[LockedSystem, tuple[str, ...]]:
        held = previous.systems[system].packages if previous and system in previous.systems else ()
        blank = Request(
            system=system,
            installs={},
            options=manifest.options,
            directory=directory,
            locked=held,
            upgrade=upgrade,
            kept=_kept(kept, system),
            catalogue=catalogue,
        )
        return _SystemResolution(manifest, blank, settings, reporter, builder).run()

    sysconfig.get_config_vars()  # filled by whoever asks first, and seen half-filled by a second thread
    outcomes = side_by_side(one, systems, threads=len(systems))
    return Resolved(
        lock=Lock(
            lock_version=LOCK_VERSION,
            manifest=to_builtins(manifest),
            inputs=inputs,
            systems={system: locked for system, (locked, _) in zip(systems, outcomes, strict=True)},
        ),
        notes=tuple(dict.fromkeys(note for _, notes in outcomes for note in notes)),
    )


def refresh(
    manifest: Manifest,
    directory: Path,
    settings: Settings,
    *,
    previous: Lock,
    kept: Mapping[str, Mapping[str, Package]] = MappingProxyType({}),
    reporter: Reporter = SILENT,
) -> Resolved | None:
    """Return `previous` with the user's own sources as they are now, asking nobody else.

    For a manifest that has not changed since. None when a project now requires something else, so that everything has
    to be resolved. Raises what `resolve` raises of sources.
    """
    systems = {}
    for system, locked in previous.systems.items():
        blank = Request(
            system=system,
            installs={},
            options=manifest.options,
            directory=directory,
            locked=locked.packages,
            kept=_kept(kept, system),
        )
        packages = _SystemResolution(manifest, blank, settings, reporter).refreshed(locked.packages)
        if packages is None:
            return None
        systems[system] = msgspec.structs.replace(locked, packages=packages)
    return Resolved(msgspec.structs.replace(previous, systems=systems), refreshed=True)


def input_digests(options: Options, directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that decides the resolution, by its name in the manifest."""
    digests = {}
    for name in options.constraints or ():
        try:
            digests[name] = hashlib.sha256((directory / name).read_bytes()).hexdigest()
        except OSError as error:
            raise NotFoundError(
                f"the constraints file {name!r} cannot be read",
                identifier="constraints-missing",
                where=str(directory / name),
                why=error.strerror,
                hint="correct options.constraints; the path is relative to the manifest",
            ) from error
    return digests


def _kept(kept: Mapping[str, Mapping[str, Package]], system: str) -> dict[str, Package | None]:
    return {install_id: packages.get(system) for install_id, packages in kept.items()}


class _SystemResolution:
    """The resolution of one system; collects notes as one ecosystem after the other answers."""

    def __init__(
        self,
        manifest: Manifest,
        blank: Request,
        settings: Settings,
        reporter: Reporter,
        builder: WheelBuilder | None = None,
    ) -> None:
        self.builder = builder
        self.installs = {
            name: install
            for name, install in manifest.install.items()
            if install.systems is None or blank.system in install.systems
        }
        self.options = manifest.options
        self.system = blank.system
        self.blank = blank
        self.settings = settings
        self.reporter = reporter
        self.notes: list[str] = []

    def run(self) -> tuple[LockedSystem, tuple[str, ...]]:
        from breakbulk.ecosystems.deb import python_of

        by_ecosystem = self._by_ecosystem()
        published = self._ask("hub", by_ecosystem["hub"])
        by_ecosystem = self._by_ecosystem()  # with what those need
        sources = self._ask("source", by_ecosystem["source"])
        compiled = any(package.python for package in published)
        wants_python = bool(by_ecosystem["pypi"] or _wheels(sources) or compiled or self.options.python)
        debs = self._ask("deb", by_ecosystem["deb"] | self._implicit(wants_python=wants_python))
        python = python_of(debs)
        if wants_python:
            python = self._check_python(python)
        check_pythons(published, python)
        to_build = {name: each for name, each in by_ecosystem["pypi"].items() if _is_built(each)}
        sources = (*sources, *self._built(to_build, python))
        with local_wheels(_wheels(sources), self.installs, self.settings) as local:
            wanted = {name: each for name, each in by_ecosystem["pypi"].items() if name not in to_build}
            distributions = self._ask("pypi", wanted, python, local=local)
        others = (
            *self._ask("archive", by_ecosystem["archive"], python),
            *self._ask("nix", by_ecosystem["nix"], python),
        )
        found = (*debs, *_with_projects(sources, distributions, python), *others)
        packages = (*found, *_with_needs(published, found))
        ordered = tuple(sorted(packages, key=lambda package: (package.ecosystem, package.name)))
        return LockedSystem(packages=ordered, python=python), tuple(self.notes)

    def _built(self, installs: Mapping[str, Install], python: Python | None) -> tuple[Package, ...]:
        if not installs:
            return ()
        from breakbulk.ecosystems.built_wheels import built_wheels

        request = msgspec.structs.replace(self.blank, installs=installs, python=python)
        return tuple(built_wheels(request, self.builder, self.installs, self.settings))

    def refreshed(self, locked: tuple[Package, ...]) -> tuple[Package, ...] | None:
        """Return `locked` with own sources anew, None when more than their content has changed."""
        before = {package.name: package for package in locked if self._is_own(package)}
        after = {package.name: package for package in self._ask("source", self._by_ecosystem()["source"])}
        if before.keys() != after.keys() or not all(
            _require_the_same(before[name], after[name], self.settings) for name in before
        ):
            return None
        return tuple(
            package
            if not self._is_own(package)
            else msgspec.structs.replace(
                after[package.name], dependencies=package.dependencies, why=package.why, python=package.python
            )
            for package in locked
        )

    def _is_own(self, package: Package) -> bool:
        """Say whether a package is the user's own source, and not built of what an index has."""
        install = self.installs.get(package.source or "")
        return package.ecosystem == "source" and not (install is not None and _is_built(install))

    def _by_ecosystem(self) -> dict[str, dict[str, Install]]:
        grouped: dict[str, dict[str, Install]] = {name: {} for name in ecosystems()}
        for name, install in self.installs.items():
            grouped[ecosystem_of(install)][name] = install
        return grouped

    def _implicit(self, *, wants_python: bool) -> dict[str, Install]:
        names = () if self.options.base == "none" else BASE_PACKAGES
        implicit: dict[str, Install] = {f"@base/{name}": DebInstall(deb=name) for name in names}
        if wants_python:
            implicit |= {f"@python/{name}": DebInstall(deb=name) for name in PYTHON_PACKAGES}
        return implicit

    def _ask(
        self,
        name: EcosystemName,
        installs: Mapping[str, Install],
        python: Python | None = None,
        local: tuple[LocalWheel, ...] = (),
    ) -> tuple[Package, ...]:
        if not installs and not local:
            return ()
        held = tuple(package for package in self.blank.locked if package.ecosystem == name)
        request = msgspec.structs.replace(self.blank, installs=installs, python=python, locked=held, local=local)
        resolution: Resolution = ecosystems()[name].resolve(request, self.settings, self.reporter)
        self.notes += resolution.notes
        self.installs |= resolution.installs
        return resolution.packages

    def _check_python(self, python: Python | None) -> Python:
        wanted = self.options.python
        if python is None or (wanted is not None and python.version != wanted):
            found = f"Python {python.version}" if python else "no Python"
            raise ResolutionError(
                f"the suite has {found}, the manifest asks for Python {wanted or 3}",
                identifier="python-unavailable",
                where=f"options.python, {self.system}",
                why="a Debian suite has one Python: bookworm 3.11, trixie 3.13",
                hint="choose options.suite by the Python you need, or leave options.python out",
            )
        return python


@contextmanager
def local_wheels(
    wheels: tuple[Package, ...], installs: Mapping[str, Install], settings: Settings
) -> Iterator[tuple[LocalWheel, ...]]:
    """Offer the wheels of own sources to uv, which wants each under its true file name."""
    if not wheels:
        yield ()
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="breakbulk-wheels-") as directory:
        yield tuple(_local_wheel(package, installs, settings, Path(directory)) for package in wheels)


def _local_wheel(package: Package, installs: Mapping[str, Install], settings: Settings, directory: Path) -> LocalWheel:
    install = installs[package.source or package.name]
    archive = next(
        location.path for location in ecosystems()["source"].locate(package, install, settings) if location.path
    )
    link = directory / package.file
    link.symlink_to(archive)
    extras = _extras(package.source or package.name, install)
    requirement = f"{package.name}[{','.join(extras)}]" if extras else package.name
    return LocalWheel(requirement=requirement, path=link, install=package.source or package.name)


def _extras(install_id: str, install: Install) -> tuple[str, ...]:
    if isinstance(install, PypiInstall):
        from breakbulk.ecosystems.pypi.requirements import requirement_of

        return tuple(sorted(requirement_of(install_id, install).extras))
    return install.extras if isinstance(install, PathInstall | GitInstall) else ()


def _is_built(install: Install) -> bool:
    """Say whether an install is built here from its source archive."""
    return isinstance(install, PypiInstall) and install.build


def _wheels(packages: tuple[Package, ...]) -> tuple[Package, ...]:
    return tuple(package for package in packages if package.file.endswith(".whl"))


def _with_projects(
    sources: tuple[Package, ...], distributions: tuple[Package, ...], python: Python | None
) -> Iterator[Package]:
    """Yield own sources and distributions; a project's wheel takes its dependencies from what PyPI resolved."""
    own = {package.name: package for package in sources if package.file.endswith(".whl")}
    renamed = {f"pypi:{name}": f"source:{name}" for name in own}

    def refer(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(renamed.get(name, name) for name in names))

    for package in sources:
        if package.name not in own:
            yield package
    for package in distributions:
        dependencies, why = refer(package.dependencies), refer(package.why)
        if project := own.get(package.name):
            tag = python.tag if python else None
            yield msgspec.structs.replace(project, dependencies=dependencies, why=why, python=tag)
        else:
            yield msgspec.structs.replace(package, dependencies=dependencies, why=why)


def _with_needs(published: tuple[Package, ...], others: tuple[Package, ...]) -> Iterator[Package]:
    """Yield packages of the hub with those that are there because of them."""
    for package in published:
        needs = tuple(sorted(other.id for other in (*others, *published) if package.id in other.why))
        yield msgspec.structs.replace(package, dependencies=needs)


def _require_the_same(before: Package, after: Package, settings: Settings) -> bool:
    """Say whether two archives of one source need the same of others: trees need nothing, wheels what they say."""
    if before.sha256 == after.sha256:
        return True
    if not after.file.endswith(".whl"):
        return not before.file.endswith(".whl")
    archives = settings.store / "archives"
    known = _requirements(archives / before.sha256)
    return known is not None and known == _requirements(archives / after.sha256)


def _requirements(wheel: Path) -> list[str] | None:
    """Return the lines of a wheel's metadata that say what it requires, None when the wheel is not here."""
    import zipfile

    try:
        with zipfile.ZipFile(wheel) as members:
            name = next(name for name in members.namelist() if name.endswith(".dist-info/METADATA"))
            lines = members.read(name).decode().splitlines()
    except (OSError, StopIteration, zipfile.BadZipFile):
        return None
    return sorted(line for line in lines if line.startswith(("Requires-", "Provides-Extra")))
