"""PyPI and whatever speaks like it, as the rest of Breakbulk sees it: resolve, locate, unpack.

The counterpart is `ecosystems.interface`. Instances are cheap, hold what configured indexes were found, and may be used
from several threads. What needs an HTTP client or uv is imported when it is used: processes that only unpack start
faster.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from breakbulk.ecosystems.addresses import local_path
from breakbulk.ecosystems.interface import Location, Request, Resolution, Sdist, Unpacked
from breakbulk.ecosystems.pypi.indexes import ConfiguredIndexes
from breakbulk.ecosystems.pypi.locations import archive_path, recall
from breakbulk.ecosystems.pypi.requirements import direct_reference
from breakbulk.errors import ArchiveError, LockError
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import Install, PypiInstall
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.ecosystems.pypi.facts import Facts, Wheel
    from breakbulk.ecosystems.pypi.transport import Transport

__all__ = ["Pypi"]


class Pypi:
    """Distributions as wheels, from the indexes that the user's pip and uv are configured for."""

    def __init__(self) -> None:
        self._configured = ConfiguredIndexes()
        self._lock = threading.Lock()
        self._shared: tuple[Settings, Transport] | None = None

    def __reduce__(self) -> tuple[type[Pypi], tuple[()]]:
        """Let a worker process start with an instance of its own: what this one has learned stays here."""
        return Pypi, ()

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:
        """Return the wheels that satisfy `request` and everything they need; see `resolution` for the errors."""
        from breakbulk.ecosystems.pypi.resolution import resolve_requirements

        return resolve_requirements(request, settings, reporter, self._reader(settings, reporter))

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterator[Location]:
        """Yield where a wheel may be had: kept here, named by the manifest, seen before, then what the indexes say.

        The indexes are asked only if the caller has tried the places before. Raises `NetworkError` then.
        """
        kept = archive_path(package.sha256, settings)
        if kept.is_file():
            yield Location(path=kept)
        addresses = [address] if (address := direct_reference(install, settings.environment)) else []
        tried = dict.fromkeys((*addresses, *recall(package.sha256, settings)))
        yield from self._places(tried, settings)
        if package.source is None:
            found = self._search(_wheel(package, install, settings), settings, self._kept_transport(settings))
            yield from self._places((each for each in found if each not in tried), settings)

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack a verified wheel into the empty directory `into`; see `wheels` for the errors."""
        from breakbulk.ecosystems.pypi.wheels import unpack_wheel

        tag = package.python or (python.tag if python else "")
        version = minor_version(tag, package)
        return unpack_wheel(archive, name=package.name, python=version, tag=tag, into=into, file=package.file)

    def listing(
        self, package: Package, install: Install | None, settings: Settings, reporter: Reporter = SILENT
    ) -> dict[str, str]:
        """Return every path that a locked wheel will own to a word that tells equal content from different."""
        return self.listings([(package, install)], settings, reporter)[package.id]

    def listings(
        self,
        packages: Iterable[tuple[Package, Install | None]],
        settings: Settings,
        reporter: Reporter = SILENT,
        *,
        archives: Mapping[str, Path] = MappingProxyType({}),
    ) -> dict[str, dict[str, str]]:
        """Return the listings of many wheels by package id, those that are not cached read side by side.

        `archives` says where wheels are that no index has, those of own sources, by digest.
        """
        packages = tuple(packages)
        facts = self._reader(settings, reporter)([_wheel(*each, settings, archives) for each in packages])
        return {package.id: _listing(package, facts[package.sha256]) for package, _ in packages}

    def lookup(self, name: str, settings: Settings) -> tuple[str, ...]:
        """Return the versions of a distribution that have wheels, newest first; none for an unknown name."""
        from breakbulk.ecosystems.pypi.lookup import versions_of

        with self._connect(settings) as transport:
            return versions_of(name, self._configured.get(settings).indexes, transport)

    def sdist(self, install_id: str, install: PypiInstall, request: Request, settings: Settings) -> Sdist:
        """Return the source archive that an install with `build = true` is built from; see `sdists` for the errors."""
        from packaging.utils import canonicalize_name

        from breakbulk.ecosystems.pypi.requirements import requirement_of
        from breakbulk.ecosystems.pypi.sdists import choose, constrained, find_candidates, obtain, unknown

        assert request.python is not None  # noqa: S101 - `resolving` asks once it is known
        requirement = requirement_of(install_id, install)
        name = canonicalize_name(requirement.name)
        options = request.options
        specifier = constrained(requirement, (request.directory / path for path in options.constraints or ()))
        held = next((each.version for each in request.locked if each.source == install_id), None)
        moves = request.upgrade is not None and (not request.upgrade or bool(request.upgrade & {install_id, name}))
        with self._connect(settings) as transport:
            candidates = find_candidates(name, self._configured.get(settings).indexes, transport)
            chosen = choose(
                candidates,
                specifier,
                python=request.python.version,
                snapshot=options.snapshot,
                held=None if moves else held,
            )
            if chosen is None:
                raise unknown(name, install_id, candidates, specifier)
            return obtain(name, chosen, transport, settings)

    def _reader(self, settings: Settings, reporter: Reporter) -> Callable[[Iterable[Wheel]], Mapping[str, Facts]]:
        from breakbulk.ecosystems.pypi.facts import gather

        return lambda wheels: gather(
            wheels,
            settings,
            reporter,
            lambda: self._connect(settings),
            lambda wheel, transport: self._search(wheel, settings, transport),
        )

    def _kept_transport(self, settings: Settings) -> Transport:
        """Return one transport for every `locate`: certificates are read once, and connections are used again."""
        with self._lock:
            if self._shared is None or self._shared[0] != settings:
                self._shared = (settings, self._connect(settings))
                weakref.finalize(self, self._shared[1].close)
            return self._shared[1]

    def _connect(self, settings: Settings) -> Transport:
        from breakbulk.ecosystems.pypi.transport import Transport

        return Transport(self._configured.get(settings).credentials, settings)

    def _search(self, wheel: Wheel, settings: Settings, transport: Transport) -> Iterator[str]:
        from breakbulk.ecosystems.pypi.locating import search_indexes

        indexes = self._configured.get(settings).indexes
        return search_indexes(wheel.name, wheel.file, wheel.sha256, indexes, transport)

    def _places(self, addresses: Iterable[str], settings: Settings) -> Iterator[Location]:
        for address in addresses:
            path = local_path(address)
            if path is not None:
                if path.is_file():
                    yield Location(path=path)
            else:
                yield Location(url=address, headers=self._configured.get(settings).credentials.headers(address))


def minor_version(tag: str, package: Package) -> str:
    """Return the version that a tag stands for: 3.11 for `cpython-311`; raise `LockError` when it stands for none."""
    match = re.fullmatch(r"cpython-(\d)(\d+)", tag)
    if match is None:
        raise LockError(
            f"the lock does not say for which Python {package.name} is",
            identifier="wheel-without-python",
            where=package.file,
            why=f"its `python` is {tag!r}",
            hint="lock again with `breakbulk lock`",
        )
    return f"{match[1]}.{match[2]}"


def _wheel(
    package: Package, install: Install | None, settings: Settings, archives: Mapping[str, Path] = MappingProxyType({})
) -> Wheel:
    from breakbulk.ecosystems.pypi.facts import Wheel

    here = archives.get(package.sha256)
    direct = direct_reference(install, settings.environment)
    first = (*((here.absolute().as_uri(),) if here else ()), *((direct,) if direct else ()))
    return Wheel(package.name, package.file, package.sha256, (*first, *recall(package.sha256, settings)))


def _listing(package: Package, facts: Facts) -> dict[str, str]:
    from breakbulk.ecosystems.pypi.listing import wheel_listing
    from breakbulk.ecosystems.pypi.scheme import DistInfoError

    tag = package.python or ""
    try:
        return wheel_listing(facts, minor_version(tag, package), tag)
    except DistInfoError as error:
        raise ArchiveError(
            f"{package.file} cannot be installed",
            identifier="wheel-invalid",
            where=package.file,
            why=str(error),
            hint=f"ask for another version of {package.name}",
        ) from error
