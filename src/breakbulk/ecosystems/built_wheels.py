"""Python distributions that are built here from their source archives (`build = true`), as packages of a lock.

Each becomes a wheel among the archives made here, and stands in the lock like a wheel of the user's own source: no
index has it, so a push sends it. What is locked and still here stays, whatever its build would need by now. `resolving`
offers the wheels to PyPI's resolver; a `WheelBuilder`, handed in from above, does the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packageurl import PackageURL
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from breakbulk.ecosystems.interface import Request, Sdist, WheelBuilder
from breakbulk.ecosystems.source.ecosystem import running_system
from breakbulk.ecosystems.source.making import Made
from breakbulk.ecosystems.source.projects import runs_anywhere
from breakbulk.errors import ResolutionError
from breakbulk.lock.model import Package
from breakbulk.manifest.schema import DebInstall, Install, PypiInstall
from breakbulk.settings import Settings

__all__ = ["built_wheels"]


def built_wheels(
    request: Request, builder: WheelBuilder | None, installs: Mapping[str, Install], settings: Settings
) -> Iterator[Package]:
    """Yield the package of each install of `request`, all of which are to be built.

    Args:
        request: Its Python is known.
        builder: Who builds.
        installs: All of the manifest's: builds have its Debian packages.
        settings: Of this process.

    Raises:
        ResolutionError: `source-platform`; `builder-absent`.
        BuildError, NotFoundError, NetworkError, IntegrityError: As `Pypi.sdist` and the builder.

    """
    from breakbulk.ecosystems.pypi import Pypi

    for install_id, install in sorted(request.installs.items()):
        assert isinstance(install, PypiInstall)  # noqa: S101 - `resolving` picks them
        if (held := _held(install_id, install, request, settings)) is not None:
            yield held
            continue
        if builder is None or request.python is None:
            raise _nobody(install_id)
        sdist = Pypi().sdist(install_id, install, request, settings)
        tools = {name: each for name, each in installs.items() if isinstance(each, DebInstall)}
        made = builder.build(sdist, request.python, tools, request.options)
        if not runs_anywhere(made.file) and request.system != running_system():
            raise _wrong_platform(install_id, made.file, request.system, running_system())
        yield _package(install_id, install, sdist, made)


def _held(install_id: str, install: PypiInstall, request: Request, settings: Settings) -> Package | None:
    """Return the locked package as long as it is here, is what is asked for, and nothing is to move it."""
    from breakbulk.ecosystems.pypi.requirements import requirement_of

    requirement = requirement_of(install_id, install)
    name = canonicalize_name(requirement.name)
    if request.upgrade is not None and (not request.upgrade or request.upgrade & {install_id, name}):
        return None
    specifier: SpecifierSet = requirement.specifier
    for package in request.locked:
        is_it = (package.ecosystem, package.source, package.name) == ("source", install_id, name)
        fits = is_it and specifier.contains(package.version, prereleases=True)
        right_python = request.python is not None and package.python == request.python.tag
        if fits and right_python and (settings.store / "archives" / package.sha256).exists():
            return package
    return None


def _package(install_id: str, install: PypiInstall, sdist: Sdist, made: Made) -> Package:
    return Package(
        ecosystem="source",
        name=sdist.name,
        version=made.version or sdist.version,
        file=made.file,
        size=made.size,
        sha256=made.sha256,
        license=made.license,
        purl=PackageURL("pypi", name=sdist.name, version=sdist.version).to_string(),
        why=(f"install.{install_id}",),
        source=install_id,
        tree=sdist.sha256,
        priority=install.priority,
    )


def _wrong_platform(install_id: str, file: str, system: str, running: str) -> ResolutionError:
    return ResolutionError(
        f"the wheel that was built does not run on {system}",
        identifier="source-platform",
        where=f"install.{install_id}",
        why=f"it was built here as {file}, and wheels with compiled code are built for the running system only",
        hint=f'give install.{install_id} systems = ["{running}"], or lock on a machine of the other system',
    )


def _nobody(install_id: str) -> ResolutionError:
    return ResolutionError(
        "a distribution is to be built, and nobody is there to build it",
        identifier="builder-absent",
        where=f"install.{install_id}",
        hint="lock with `breakbulk lock`",
    )
