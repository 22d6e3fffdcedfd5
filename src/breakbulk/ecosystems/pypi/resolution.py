"""From requirements to packages of the lock: uv decides, the wheels tell the rest.

uv is given the requirements, the constraints, the target and what is locked so far, and answers with a `pylock.toml`;
`facts` reads what each chosen wheel says of itself; `graph` draws the edges. Addresses go to `locations`, never into a
package. Files for uv are in a temporary directory; secrets travel in the environment only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from packageurl import PackageURL
from packaging.utils import canonicalize_name

from breakbulk.ecosystems.interface import LocalWheel, Request, Resolution
from breakbulk.ecosystems.pypi import uv
from breakbulk.ecosystems.pypi.explanation import explain
from breakbulk.ecosystems.pypi.extras import check_extras
from breakbulk.ecosystems.pypi.facts import Facts, Wheel
from breakbulk.ecosystems.pypi.graph import Edges, edges
from breakbulk.ecosystems.pypi.locations import remember
from breakbulk.ecosystems.pypi.pylock import Chosen, preferences, read_pylock
from breakbulk.ecosystems.pypi.requirements import Wanted, wanted
from breakbulk.ecosystems.pypi.target import Target, target_of
from breakbulk.errors import NotFoundError, ResolutionError
from breakbulk.lock.model import Package
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["resolve_requirements"]

_DEFAULT_PRIORITY = 5


def resolve_requirements(
    request: Request,
    settings: Settings,
    reporter: Reporter,
    read: Callable[[Iterable[Wheel]], Mapping[str, Facts]],
) -> Resolution:
    """Return the packages that satisfy a request; `read` gives the facts of wheels by digest.

    Raises:
        ManifestError: A descriptor is no requirement (`requirement-invalid`, `version-invalid`).
        ResolutionError: `resolution-impossible`, `sdist-only`, `no-matching-wheel`, `not-in-snapshot`,
            `extra-unknown`.
        NotFoundError: `pypi-package-unknown`, `constraints-missing`.
        NetworkError: `index-unreachable`, `index-unauthorised`, `offline`.

    """
    target = target_of(request)
    asked = wanted(request.installs, request.local)
    task = reporter.begin("Resolving Python packages")
    try:
        chosen = _choose(request, asked, target, settings)
    finally:
        task.finish()
    remember((each for each in chosen if not _is_local(each, request.local)), settings)
    wheels = [Wheel(each.name, each.file, each.sha256, each.addresses) for each in chosen]
    facts = read(wheels)
    check_extras(asked, {each.name: (each.version, facts[each.sha256].metadata) for each in chosen})
    alone = {each.name for each in asked if each.alone}
    requires = {each.name: () if each.name in alone else facts[each.sha256].metadata.requires for each in chosen}
    drawn = edges(requires, asked, target)
    return Resolution(packages=tuple(_package(each, facts[each.sha256], drawn, asked, target) for each in chosen))


def _choose(request: Request, asked: Sequence[Wanted], target: Target, settings: Settings) -> list[Chosen]:
    """Resolve everything, then those whose requirements are left out: with all of theirs absent, each by itself."""
    alone = [each for each in asked if each.alone]
    together = [each for each in asked if not each.alone]
    chosen = _compile(request, together, target, settings) if together else []
    if both := {each.name for each in chosen} & {each.name for each in alone}:
        name = min(both)
        raise ResolutionError(
            f"{name} is wanted without what it requires, and by another package with it",
            identifier="wanted-both-ways",
            where=f"install.{next(each.install for each in alone if each.name == name)}",
            hint="leave `dependencies = false` out",
        )
    return chosen + (_compile(request, alone, target, settings, "--no-deps") if alone else [])


def _compile(
    request: Request, asked: Iterable[Wanted], target: Target, settings: Settings, *options: str
) -> list[Chosen]:
    """Ask uv and return what it chose."""
    held = [each for each in request.locked if each.ecosystem == "pypi" and each.source is None]
    with tempfile.TemporaryDirectory(prefix="breakbulk-uv-") as directory:
        scratch = Path(directory)
        lines = [each.line() for each in asked]
        (scratch / "requirements.in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        if held and request.upgrade != frozenset():
            (scratch / "pylock.toml").write_text(preferences(held), encoding="utf-8")
        answer = uv.run([*_arguments(request, target), *options], scratch, settings)
        if answer.returncode != 0:
            raise explain(answer.stderr, target)
        return read_pylock((scratch / "pylock.toml").read_text(encoding="utf-8"), target, held)


def _arguments(request: Request, target: Target) -> list[str]:
    return [
        *("pip", "compile", "requirements.in", "--output-file", "pylock.toml", "--format", "pylock.toml", "--quiet"),
        *("--python-version", target.python, "--python-platform", target.uv_platform, "--only-binary", ":all:"),
        *("--generate-hashes", "--no-header", "--no-annotate", "--no-sources"),
        *(("--exclude-newer", request.options.snapshot) if request.options.snapshot else ()),
        *(word for path in _constraints(request) for word in ("--constraints", str(path))),
        *_upgrades(request),
    ]


def _constraints(request: Request) -> list[Path]:
    """Return the constraints files; raise `NotFoundError` for one that is not there."""
    paths = [(request.directory / name).absolute() for name in request.options.constraints or ()]
    for path in paths:
        if not path.is_file():
            raise NotFoundError(
                "a constraints file does not exist",
                identifier="constraints-missing",
                where=str(path),
                hint="correct options.constraints; the path is relative to the manifest",
            )
    return paths


def _upgrades(request: Request) -> list[str]:
    if request.upgrade is None:
        return []
    if not request.upgrade:
        return ["--upgrade"]
    by_install = {each.install: each.name for each in wanted(request.installs, request.local)}
    names = {by_install.get(name, name.removeprefix("pypi:")) for name in request.upgrade}
    locked = {each.name for each in request.locked} | set(by_install.values())
    moving = sorted({canonicalize_name(name) for name in names} & locked)
    return [word for name in moving for word in ("--upgrade-package", name)]


def _package(chosen: Chosen, facts: Facts, drawn: Edges, asked: Iterable[Wanted], target: Target) -> Package:
    askers = [each for each in asked if each.name == chosen.name]
    source = min((each.install for each in askers if each.direct or each.local), default=None)
    if chosen.direct and source is None:
        raise ResolutionError(
            f"{chosen.name} is named by its archive in a constraints file, which a lock cannot follow",
            identifier="direct-constraint",
            where="options.constraints",
            hint=f'install it: {{ pypi = "{chosen.name} @ ..." }}',
        )
    return Package(
        ecosystem="pypi",
        name=chosen.name,
        version=chosen.version,
        file=chosen.file,
        size=facts.size,
        sha256=chosen.sha256,
        purl=PackageURL("pypi", name=chosen.name, version=chosen.version).to_string(),
        dependencies=drawn.dependencies[chosen.name],
        license=facts.metadata.license,
        why=drawn.why[chosen.name],
        python=target.tag,
        source=source,
        priority=min((each.priority for each in askers), default=_DEFAULT_PRIORITY),
    )


def _is_local(chosen: Chosen, local: Iterable[LocalWheel]) -> bool:
    """Return whether a wheel was made here for this resolution: its file is gone afterwards."""
    return any(each.path.absolute().as_uri() in chosen.addresses for each in local)
