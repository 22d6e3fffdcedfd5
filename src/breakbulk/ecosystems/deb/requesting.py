"""What the manifest asks of Debian, as versions: names checked, virtual names and version patterns resolved.

Counterpart of `resolver`: here it is only decided which versions will do for each name, not which is
taken.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from breakbulk.ecosystems.deb.explaining import offered
from breakbulk.ecosystems.deb.relations import Relation, parse_field
from breakbulk.ecosystems.deb.universe import Universe, Version
from breakbulk.ecosystems.deb.versions import is_version
from breakbulk.errors import IntegrityError, ManifestError, NotFoundError
from breakbulk.manifest.schema import DebInstall, Install

__all__ = ["Asked", "read_installs", "reason"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One package that the manifest asks for.

    Attributes:
        install: Install id, `@base/...` for implicit ones.
        name: Of the real package.
        text: As the manifest has it, for explanations.
        admitted: Versions that will do; None for any.
        suite: Suite it must come from.

    """

    install: str
    name: str
    text: str
    admitted: tuple[Version, ...] | None = None
    suite: str | None = None

    @property
    def why(self) -> str:
        """Return what stands in the lock's `why`."""
        return reason(self.install)


def reason(install: str) -> str:
    """Return `base` for `@base/bash`, `hub:tool` for `@hub:tool/libpq5`, `install.web` for `web`."""
    return install[1:].partition("/")[0] if install.startswith("@") else f"install.{install}"


def read_installs(
    installs: Mapping[str, Install],
    universe: Universe,
    suites: Mapping[str, frozenset[str]],
    note: Callable[[str], None],
) -> tuple[Asked, ...]:
    """Return what is asked for, in the manifest's order.

    Raises:
        NotFoundError: `deb-package-unknown`: no suite has the name, or only others provide it.
        ManifestError: `deb-version-invalid`: the version is none.

    """
    return tuple(
        _read(install_id, install, universe, suites, note)
        for install_id, install in installs.items()
        if isinstance(install, DebInstall)
    )


def _read(
    install_id: str,
    install: DebInstall,
    universe: Universe,
    suites: Mapping[str, frozenset[str]],
    note: Callable[[str], None],
) -> Asked:
    name = _real_name(install_id, install.deb, universe, note)
    admitted: list[Version] | None = None
    text = name
    if install.version is not None:
        matches = _matcher(install.version, install_id)
        admitted = [version for version in universe.versions(name) if matches(version.version)]
        text += f" ({install.version.strip() if install.version[:1] in '<>=' else '= ' + install.version.strip()})"
    if install.suite is not None:
        allowed = suites[install.suite]
        candidates = universe.versions(name) if admitted is None else admitted
        admitted = [version for version in candidates if version.suites & allowed]
        text += f" from {install.suite}"
    if admitted is not None and not admitted:
        text += f", {offered(Relation(name), universe)}"
    return Asked(
        install=install_id,
        name=name,
        text=text,
        admitted=None if admitted is None else tuple(admitted),
        suite=install.suite,
    )


def _real_name(install_id: str, asked: str, universe: Universe, note: Callable[[str], None]) -> str:
    """Return the package behind a name: itself, or its only provider, as apt does."""
    name, _, qualifier = asked.partition(":")
    if qualifier not in {"", "any", "native", universe.architecture}:
        raise NotFoundError(
            f"packages of the architecture {qualifier!r} cannot be in an environment for {universe.architecture}",
            identifier="deb-package-unknown",
            where=f"install.{install_id}",
            hint=f"leave `:{qualifier}` out",
        )
    if universe.versions(name):
        return name
    providers = sorted({version.name for version, _ in universe.providers(name)})
    if len(providers) == 1:
        note(f"{providers[0]} is installed for {name}, which is virtual")
        return providers[0]
    raise _virtual(install_id, name, providers) if providers else _unknown(install_id, name, universe)


def _virtual(install_id: str, name: str, providers: Sequence[str]) -> NotFoundError:
    return NotFoundError(
        f"{name!r} is a virtual package, provided by several",
        identifier="deb-package-unknown",
        where=_place(install_id),
        why=f"provided by {', '.join(providers[:12])}{' and others' if len(providers) > 12 else ''}",
        hint=f'name the one you want, such as deb = "{providers[0]}"',
    )


def _unknown(install_id: str, name: str, universe: Universe) -> NotFoundError:
    names = {each for volume in universe.volumes for each in volume.index.names()}
    nearest = difflib.get_close_matches(name, (each for each in names if abs(len(each) - len(name)) < 4), n=3)
    suites = ", ".join(dict.fromkeys(volume.suite for volume in universe.volumes))
    return NotFoundError(
        f"no suite has a package {name!r}",
        identifier="deb-package-unknown",
        where=_place(install_id),
        why=f"searched: {suites}",
        hint=f"did you mean {' or '.join(nearest)}?" if nearest else f"`breakbulk search {name}` finds packages",
    )


def _place(install_id: str) -> str:
    return "options.base" if install_id.startswith("@base") else reason(install_id)


def _matcher(text: str, install_id: str) -> Callable[[str], bool]:
    """Read a version of the manifest: exact, with `*` at its end for a prefix, or relations."""
    wanted = text.strip()
    if wanted.endswith("*") and is_version(wanted[:-1] or "0"):
        return lambda version: version.startswith(wanted[:-1])
    if is_version(wanted):
        return lambda version: Relation("x", None, "=", wanted).admits(version)
    try:
        groups = parse_field(",".join(f"x ({part.strip()})" for part in wanted.split(",")))
    except IntegrityError:
        groups = ()
    if not groups or not all(is_version(relation.version) for group in groups for relation in group):
        raise ManifestError(
            f"{text!r} is no version of a Debian package",
            identifier="deb-version-invalid",
            where=f"install.{install_id}.version",
            hint='write "1.2-3", "1.2*", or a relation such as ">= 1.2"; several are separated by commas',
        )
    return lambda version: all(group[0].admits(version) for group in groups)
