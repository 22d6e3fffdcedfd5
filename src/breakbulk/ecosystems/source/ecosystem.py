"""The ecosystem `source`: resolve makes the archives, locate finds them again, unpack is that of a tar or a wheel.

A Python project becomes a wheel; `resolving` hands it to PyPI's resolver, which says what it depends on. Anything else,
and a project that is given a `destination`, becomes a tree at that place. A source that has not changed keeps its
package, byte by byte.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import msgspec
from packageurl import PackageURL

from breakbulk.ecosystems.extraction import OWN, Stripped, extract
from breakbulk.ecosystems.interface import Location, Request, Resolution, Unpacked
from breakbulk.ecosystems.source.making import Archives
from breakbulk.ecosystems.source.products import Product, Workshop
from breakbulk.ecosystems.source.projects import runs_anywhere
from breakbulk.errors import LockError, ResolutionError
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import GitInstall, Install, PathInstall, PypiInstall
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Source", "running_system"]

_SHORT = 12  # digits of a digest or a commit that serve as a version


class Source:
    """The user's own sources."""

    def resolve(self, request: Request, settings: Settings, reporter: Reporter) -> Resolution:
        """Return a package for each source, its archive made and kept.

        Raises:
            ResolutionError: A source cannot be read, or its wheel does not run on the system.
            BuildError, NetworkError, NotFoundError, ManifestError: As building, Git and reading find.

        """
        workshop = Workshop(request.directory, request.options.snapshot, settings)
        packages: dict[str, Package] = {}
        notes: list[str] = []
        task = reporter.begin("making archives of own sources", total=len(request.installs))
        try:
            for install_id, install in sorted(request.installs.items()):
                package, found = _resolved(workshop, install_id, _own(install), request)
                if other := packages.get(package.name):
                    raise _same_name(package, other)
                packages[package.name] = package
                notes.extend(found)
                task.advance()
        finally:
            task.finish()
        return Resolution(packages=tuple(packages.values()), notes=tuple(notes))

    def locate(self, package: Package, install: Install | None, settings: Settings) -> Iterator[Location]:
        """Yield the archive made here; when it is gone, make it again; without `install` the source is not here.

        A relative path in `install` starts at the current directory; `changes.anchored` makes it absolute.

        Raises:
            LockError: `source-changed`: what can be made now is not what was locked.

        """
        path = Archives(settings.store / "archives", settings.cache).path(package.sha256)
        if not path.exists():
            if install is None:
                return
            _make_again(package, install, settings)
        yield Location(path=path)

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack a wheel where Python finds it, a tree at its destination."""
        if package.file.endswith(".whl"):
            from breakbulk.ecosystems.pypi import Pypi

            return Pypi().unpack(archive, package, python, into)
        placement = Stripped(package.strip, (package.destination or f"/opt/{package.name}").strip("/"))
        return Unpacked(content=extract(archive, into, archive=package.file, rules=OWN, placement=placement))


def _resolved(
    workshop: Workshop, install_id: str, install: PathInstall | GitInstall, request: Request
) -> tuple[Package, tuple[str, ...]]:
    """Return the package of a source, made here or kept, and notes."""
    if install_id in request.kept:
        return _kept(install_id, install, request), ()
    product = workshop.product(install_id, install, locked_commit=_locked_commit(request, install_id))
    return _package(install_id, install, product, request), product.notes


def _kept(install_id: str, install: PathInstall | GitInstall, request: Request) -> Package:
    """Return the package of a source that is not here; what depends on what is resolved anew."""
    package = request.kept[install_id]
    if package is None:
        raise ResolutionError(
            f"the source {install_id} comes from a hub, which has none for {request.system}",
            identifier="source-system-missing",
            where=f"install.{install_id}",
            hint="leave the system out of options.systems, or push the environment it comes from with it",
        )
    python = request.python.tag if package.python and request.python else None
    return msgspec.structs.replace(
        package, dependencies=(), why=(f"install.{install_id}",), python=python, priority=install.priority
    )


def _own(install: Install) -> PathInstall | GitInstall:
    assert isinstance(install, PathInstall | GitInstall)  # noqa: S101  # `resolving` groups descriptors by their type
    return install


def _locked_commit(request: Request, install_id: str) -> str | None:
    """Return the commit to stay at, unless this source is to move."""
    package = next((package for package in request.locked if package.source == install_id), None)
    if package is None or request.upgrade is None:
        return package.rev if package else None
    moves = not request.upgrade or {install_id, package.name} & request.upgrade
    return None if moves else package.rev


def _package(install_id: str, install: PathInstall | GitInstall, product: Product, request: Request) -> Package:
    made = product.made
    is_wheel = made.name is not None
    if is_wheel and not runs_anywhere(made.file) and request.system != running_system():
        raise _wrong_platform(install_id, made.file, request.system)
    name = made.name or install_id
    version = made.version or (product.commit or made.tree)[:_SHORT]
    return Package(
        ecosystem="source",
        name=name,
        version=version,
        file=made.file,
        size=made.size,
        sha256=made.sha256,
        license=made.license,
        purl=PackageURL(type="generic", name=name, version=version).to_string(),
        why=(f"install.{install_id}",),
        python=request.python.tag if is_wheel and request.python else None,
        source=install_id,
        tree=made.tree,
        rev=product.commit,
        destination=None if is_wheel else install.destination or f"/opt/{install_id}",
        priority=install.priority,
    )


def _make_again(package: Package, install: Install, settings: Settings) -> None:
    if isinstance(install, PypiInstall):
        hint = f"run `breakbulk lock --upgrade {package.name}`, or push and pull, which bring its wheel along"
        raise _changed(package, "it was built from its source archive, elsewhere", hint)
    if isinstance(install, GitInstall) and package.rev is not None:
        install = msgspec.structs.replace(install, rev=package.rev, branch=None, tag=None)
    workshop = Workshop(Path.cwd(), None, settings)
    made = workshop.product(package.source or package.name, _own(install), locked_commit=package.rev).made
    if made.sha256 != package.sha256:
        same = made.tree == package.tree
        why = "its build back end made another wheel of the same files" if same else "its files have changed"
        raise _changed(package, why)


def _changed(package: Package, why: str, hint: str = "run `breakbulk lock`") -> LockError:
    return LockError(
        "the archive of a source is gone, and cannot be made again as it was locked",
        identifier="source-changed",
        where=f"{package.id} {package.version}",
        why=why,
        hint=hint,
    )


def _same_name(package: Package, other: Package) -> ResolutionError:
    return ResolutionError(
        f"two sources give one package, {package.name}",
        identifier="source-name-collision",
        where=f"install.{other.source}, install.{package.source}",
        hint="leave one of them out, or give one a destination: then it is a tree and no wheel",
    )


def _wrong_platform(install_id: str, file: str, system: str) -> ResolutionError:
    return ResolutionError(
        f"the wheel of a source does not run on {system}",
        identifier="source-platform",
        where=f"install.{install_id}",
        why=f"it was built here as {file}, and wheels with compiled code are built for the running system only",
        hint=f'give install.{install_id} systems = ["{running_system()}"], or lock on a machine of the other system',
    )


def running_system() -> str:
    """Return the system of this machine, such as `x86_64-linux`."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return f"{machine}-linux"
