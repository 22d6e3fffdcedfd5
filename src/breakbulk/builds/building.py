"""Build a recipe: prepare the workplace, run the command, keep the output as an archive named by its digest.

A build that cannot reach the network is a function of what it is given, so it is done once for the same recipe, project
files and packages. One with the network is done each time it is asked for. Whatever ends a build, what it has begun is
gone and what was built before is still there.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
from packageurl import PackageURL

from breakbulk.builds.outputs import Output, collect, write_archive
from breakbulk.builds.recipes import Recipe
from breakbulk.builds.running import Access, Ended, access, output_of, run_recipe
from breakbulk.builds.variables import build_variables, network_variables
from breakbulk.builds.workplace import Workplace, workplace
from breakbulk.ecosystems.source.making import Archives, Made
from breakbulk.ecosystems.source.opening import Opened, open_directory
from breakbulk.environment.specification import STATE_DIRECTORY
from breakbulk.errors import BuildError
from breakbulk.lock.model import LockedSystem, Package
from breakbulk.manifest.matrix import VERSION
from breakbulk.manifest.schema import Manifest, PathInstall, VersionCommand, VersionFile
from breakbulk.manifest.variables import NAME
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Built", "Ground", "build", "keep", "open_source", "produce"]

_FORMAT = 1
"""Raised whenever the same recipe and the same files give another archive."""

_UNVERSIONED = "0.0.0"
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~_:-]{0,127}")
_REFERENCE = re.compile(rf"\$\{{({NAME.pattern})\}}")


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What builds stand on.

    Attributes:
        manifest: Composed.
        directory: The project.
        system: On which it is built, such as `x86_64-linux`.
        locked: The packages of the environment there.
        lowers: Their directories, the first on top.
        settings: Of this process.

    """

    manifest: Manifest
    directory: Path
    system: str
    locked: LockedSystem
    lowers: tuple[Path, ...]
    settings: Settings


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was built: its recipe, how it stands in a lock, the digest of its files, and what to know of it.

    `reused` says that it had been built before.
    """

    recipe: Recipe
    package: Package
    tree: str
    reused: bool
    notes: tuple[str, ...] = ()


def open_source(ground: Ground) -> Opened:
    """Return the project's own files: what is in its directory and not ignored by Git."""
    return open_directory(PathInstall(path="."), ground.directory, ground.settings)


def build(recipe: Recipe, ground: Ground, reporter: Reporter, *, anew: bool | None = None) -> Built:
    """Build a package, or find what was built of the same things.

    `anew` says whether to build in any case; by default that is done where the network decides too.

    Raises:
        BuildError: `build-failed`, `build-output-missing`, `build-output-invalid`, `build-version-invalid`.
        BreakbulkError: What reading the project, mounting and the store raise.

    """
    source = open_source(ground)
    notes: list[str] = []
    ran = False

    def make(file: IO[bytes]) -> Made:
        nonlocal ran
        ran = True
        with workplace(recipe, source, ground.settings) as place:
            version, output = produce(recipe, ground, place, reporter)
            notes.extend(output.notes)
            return _write(recipe, version, output, file)

    in_any_case = _reach(recipe).network if anew is None else anew
    made = _archives(ground).made_once(_key(recipe, ground, source), make, anew=in_any_case)
    return Built(recipe=recipe, package=_package(recipe, made), tree=made.tree, reused=not ran, notes=tuple(notes))


def keep(recipe: Recipe, ground: Ground, source: Opened, version: str, output: Output) -> Built:
    """Keep what `produce` gave of these project files, in place of whatever was built of them before."""
    key = _key(recipe, ground, source)
    made = _archives(ground).made_once(key, lambda file: _write(recipe, version, output, file), anew=True)
    return Built(recipe=recipe, package=_package(recipe, made), tree=made.tree, reused=False, notes=output.notes)


def produce(
    recipe: Recipe, ground: Ground, place: Workplace, reporter: Reporter, *, jobs: int | None = None
) -> tuple[str, Output]:
    """Run a recipe in its workplace; return the version, and what is in `$out`, which goes with the workplace."""
    task = reporter.begin(f"building {recipe.label}")
    try:
        reach = _reach(recipe)
        version = _version(recipe, ground, place)
        environment = _environment(recipe, ground, version=version, jobs=jobs)
        ended = run_recipe(
            place,
            ground.lowers,
            environment=environment,
            access=reach,
            listen=lambda line: reporter.note(f"{recipe.label}> {line}"),
        )
        if ended.status:
            raise _failed(recipe, ended, _keep_log(recipe, ground, place))
        if recipe.build.sandbox == "warn" and reach.network:
            reporter.note(f"{recipe.label}: built with the network, so it may come out otherwise another time")
        return version, collect(place.out(recipe), recipe)
    finally:
        task.finish()


def _archives(ground: Ground) -> Archives:
    return Archives(ground.settings.store / "archives", ground.settings.cache)


def _write(recipe: Recipe, version: str, output: Output, file: IO[bytes]) -> Made:
    write_archive(output, file)
    return Made(file=_file(recipe, version), tree=output.tree, version=version, python=output.python)


def _reach(recipe: Recipe) -> Access:
    return access(recipe.build.sandbox, recipe.build.sandbox_allow)


def _environment(recipe: Recipe, ground: Ground, *, version: str | None, jobs: int | None = None) -> dict[str, str]:
    variables = build_variables(
        recipe,
        variables=ground.manifest.vars,
        lowers=ground.lowers,
        jobs=jobs or ground.settings.jobs,
        version=version,
    )
    return variables | (network_variables(ground.settings.environment) if _reach(recipe).network else {})


def _key(recipe: Recipe, ground: Ground, source: Opened) -> str:
    """Return the digest of everything that decides what a build without network gives."""
    parts = {
        "format": _FORMAT,
        "recipe": msgspec.structs.replace(recipe, build=msgspec.structs.replace(recipe.build, description=None)),
        "vars": ground.manifest.vars,
        "source": source.tree,
        "packages": [lower.name for lower in ground.lowers],
        "system": ground.system,
    }
    return hashlib.sha256(b"build" + msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _version(recipe: Recipe, ground: Ground, place: Workplace) -> str:
    given = recipe.build.version
    match given:
        case VersionFile():
            text = _version_in(recipe, given, place)
        case VersionCommand():
            text = _version_told(recipe, given, ground, place)
        case None:
            text = recipe.values.get(VERSION, _UNVERSIONED)
        case _:
            text = _REFERENCE.sub(lambda found: recipe.values.get(found[1], found[0]), given)
    if not _VERSION.fullmatch(text):
        raise _no_version(recipe, f"{text[:80]!r} is no version: letters, digits and . + ~ _ : - only")
    return text


def _version_in(recipe: Recipe, given: VersionFile, place: Workplace) -> str:
    try:
        return (place.source / given.file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _no_version(recipe, f"{given.file} of the project: {reason}") from error


def _version_told(recipe: Recipe, given: VersionCommand, ground: Ground, place: Workplace) -> str:
    environment = _environment(recipe, ground, version=None)
    status, text = output_of(given.command, place, ground.lowers, environment=environment, access=_reach(recipe))
    if status:
        raise _no_version(recipe, f"its command ended with status {status}")
    return text.strip()


def _package(recipe: Recipe, made: Made) -> Package:
    version = made.version or _UNVERSIONED
    licence = recipe.build.license
    return Package(
        ecosystem="hub",
        name=recipe.name,
        version=version,
        file=made.file,
        size=made.size,
        sha256=made.sha256,
        license=" AND ".join(licence) if isinstance(licence, tuple) else licence,
        purl=PackageURL(type="generic", name=recipe.name, version=version).to_string(),
        python=f"cpython-{made.python.replace('.', '')}" if made.python else None,
        tree=made.tree,
        destination=recipe.destination,
    )


def _file(recipe: Recipe, version: str) -> str:
    level = f"-{recipe.cpu}" if recipe.cpu else ""
    return f"{recipe.name}-{version.replace(':', '_')}{level}.tar.zst"


def _keep_log(recipe: Recipe, ground: Ground, place: Workplace) -> Path | None:
    """Keep what a failed build wrote; a project that cannot be written goes without."""
    level = f"-{recipe.cpu}" if recipe.cpu else ""
    path = ground.directory / STATE_DIRECTORY / "log" / f"build-{recipe.name}{level}.log"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place.log, path)
        return path
    return None


def _failed(recipe: Recipe, ended: Ended, log: Path | None) -> BuildError:
    last = "\n".join(ended.tail)
    isolated = not _reach(recipe).network
    network = '; it had no network, which `sandbox-allow = ["network"]` would give it' if isolated else ""
    return BuildError(
        f"the build of {recipe.label} failed with status {ended.status}",
        where=f"build.{recipe.table}.command" + (f", log {log}" if log else ""),
        why=f"the end of its output:\n{last}" if last else "it wrote nothing",
        hint=f"correct the command, or the packages it needs{network}",
    )


def _no_version(recipe: Recipe, why: str) -> BuildError:
    return BuildError(
        f"the version of {recipe.label} cannot be told",
        identifier="build-version-invalid",
        where=f"build.{recipe.table}.version",
        why=why,
        hint='write version = "1.0", or a file or a command that gives such a word',
    )
