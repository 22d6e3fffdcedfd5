"""From chosen versions to entries of the lock: dependencies, reasons, licences, purls, tags of bytecode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from packageurl import PackageURL

from breakbulk.ecosystems.deb.relations import Group
from breakbulk.ecosystems.deb.universe import Universe, Version
from breakbulk.ecosystems.deb.versions import key
from breakbulk.lock.model import Package, Python, package_id

__all__ = ["lock_packages", "python_of"]

_INTERPRETER = re.compile(r"python(3\.\d+)(-minimal)?")
_PYTHON_NAME = re.compile(r"(?:lib)?python3")
_PYTHON_DEPENDENCY = re.compile(r"python3(?:\.\d+)?(?:-minimal)?")
_NOT_IN_LICENSE = re.compile(r"[^A-Za-z0-9.]+")


def lock_packages(
    chosen: Mapping[str, Version], universe: Universe, reasons: Mapping[str, Iterable[str]]
) -> tuple[Package, ...]:
    """Return the chosen packages as entries of a lock, sorted by name; `reasons` are the manifest's, by name."""
    needs = {name: _dependencies(version, chosen, universe) for name, version in chosen.items()}
    why: dict[str, set[str]] = {name: set(reasons.get(name, ())) for name in chosen}
    for name, dependencies in needs.items():
        for dependency in dependencies:
            why[dependency].add(package_id("deb", name))
    interpreter = _interpreter(chosen.values())
    tag = interpreter.tag if interpreter else None
    return tuple(
        _package(chosen[name], sorted(needs[name]), sorted(why[name]), tag if _has_modules(chosen[name]) else None)
        for name in sorted(chosen)
    )


def python_of(packages: Iterable[Package]) -> Python | None:
    """Return the interpreter among locked packages, the newest of several; None when there is none."""
    names = [package.name for package in packages if package.ecosystem == "deb"]
    return _newest(names)


def _interpreter(versions: Iterable[Version]) -> Python | None:
    return _newest([version.name for version in versions])


def _newest(names: Iterable[str]) -> Python | None:
    found = [match for name in names if (match := _INTERPRETER.fullmatch(name))]
    if not found:
        return None
    newest = max(found, key=lambda match: (key(match[1]), match[2] is None))  # -minimal has half a standard library
    tag = f"cpython-{newest[1].replace('.', '')}"
    return Python(version=newest[1], tag=tag, package=package_id("deb", newest[0]))


def _has_modules(version: Version) -> bool:
    """Say whether a package ships Python modules: by its name, or because it needs the interpreter directly."""
    if _PYTHON_NAME.match(version.name):
        return True
    names = (relation.name for group in version.depends for relation in group)
    return any(_PYTHON_DEPENDENCY.fullmatch(name) for name in names)


def _dependencies(version: Version, chosen: Mapping[str, Version], universe: Universe) -> set[str]:
    found = (_satisfier(group, chosen, universe) for group in version.depends)
    return {name for name in found if name is not None and name != version.name}


def _satisfier(group: Group, chosen: Mapping[str, Version], universe: Universe) -> str | None:
    for relation in group:
        for target in universe.targets(relation):
            if chosen.get(target.name) is target:
                return target.name
    return None


def _package(version: Version, dependencies: list[str], why: list[str], tag: str | None) -> Package:
    stanza, volume = version.stanza, version.volume
    vendor = _NOT_IN_LICENSE.sub("-", volume.origin.lower()).strip("-") or "unknown"
    area = _NOT_IN_LICENSE.sub("-", volume.component).strip("-")
    purl = PackageURL(
        type="deb",
        namespace=vendor,
        name=stanza.name,
        version=stanza.version,
        qualifiers={"arch": stanza.architecture, "distro": volume.suite},
    )
    return Package(
        ecosystem="deb",
        name=stanza.name,
        version=stanza.version,
        file=stanza.filename.removeprefix("./"),
        size=stanza.size,
        sha256=stanza.sha256,
        purl=purl.to_string(),
        dependencies=tuple(package_id("deb", name) for name in dependencies),
        license="-".join(part for part in ("LicenseRef", vendor, area) if part),
        why=tuple(why),
        python=tag,
        suite=volume.suite,
    )
