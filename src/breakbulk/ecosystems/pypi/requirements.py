"""What the manifest asks of PyPI, as PEP 508 requirements.

A descriptor's `pypi`, `version` and `extras` become one requirement; a fault in them is a `ManifestError` that
names the key. The counterpart is `resolution`, which hands the requirements to uv and needs to know which install
each comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from breakbulk.ecosystems.interface import LocalWheel
from breakbulk.errors import ManifestError
from breakbulk.manifest.schema import Install, PypiInstall

__all__ = ["Wanted", "direct_reference", "requirement_of", "wanted"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement of the manifest.

    Attributes:
        install: The install id that asks.
        requirement: What uv is given.
        priority: Of the package that satisfies it.
        local: The wheel made from the user's own source, when that is what satisfies it.
        alone: Whether what it requires is left out (`dependencies = false`).

    """

    install: str
    requirement: Requirement
    priority: int
    local: Path | None = None
    alone: bool = False

    @property
    def name(self) -> str:
        """The distribution's normalised name (PEP 503)."""
        return canonicalize_name(self.requirement.name)

    @property
    def direct(self) -> bool:
        """Whether the manifest names the archive itself rather than a distribution of an index."""
        return self.requirement.url is not None

    def line(self) -> str:
        """Return the requirement as a line for uv; an own wheel is named by its file."""
        if self.local is None:
            return str(self.requirement)
        extras = f"[{','.join(sorted(self.requirement.extras))}]" if self.requirement.extras else ""
        return f"{self.requirement.name}{extras} @ {self.local.absolute().as_uri()}"


def wanted(installs: Mapping[str, Install], local: Iterable[LocalWheel]) -> tuple[Wanted, ...]:
    """Return the requirements of a request, sorted by install id; raise `ManifestError` for one that is none."""
    asked = [
        Wanted(
            install=name,
            requirement=requirement_of(name, install),
            priority=install.priority,
            alone=not install.dependencies,
        )
        for name, install in installs.items()
        if isinstance(install, PypiInstall)
    ]
    own = [
        Wanted(install=wheel.install, requirement=Requirement(wheel.requirement), priority=5, local=wheel.path)
        for wheel in local
    ]
    return tuple(sorted((*asked, *own), key=lambda each: each.install))


def requirement_of(name: str, install: PypiInstall) -> Requirement:
    """Return the requirement of one descriptor, whose install id is `name`."""
    try:
        requirement = Requirement(install.pypi)
    except InvalidRequirement as error:
        raise ManifestError(
            f"install.{name}.pypi is not a Python requirement: {install.pypi!r}",
            identifier="requirement-invalid",
            where=f"install.{name}.pypi",
            why=str(error).splitlines()[0],
            hint='write the distribution\'s name, such as "pandas", "pandas[excel]>=2" or "name @ https://..."',
        ) from error
    requirement.extras |= set(install.extras)
    if requirement.url is not None:
        _check_direct(name, requirement, install)
    elif install.version is not None:
        requirement.specifier &= _specifier(name, install.version)
    return requirement


def direct_reference(install: Install | None, environment: Mapping[str, str]) -> str | None:
    """Return the address that a descriptor names, `${VARIABLES}` replaced as uv does it, or None."""
    if not isinstance(install, PypiInstall) or "@" not in install.pypi:
        return None
    try:
        url = Requirement(install.pypi).url
    except InvalidRequirement:
        return None
    for name in _variables(url or ""):
        url = (url or "").replace(f"${{{name}}}", environment.get(name, ""))
    return url


def _variables(text: str) -> list[str]:
    return [part.partition("}")[0] for part in text.split("${")[1:]]


def _specifier(name: str, version: str) -> SpecifierSet:
    """Return the specifier of `version`: a bare version means exactly that one, `*` any."""
    where = f"install.{name}.version"
    text = version.strip()
    if text in {"", "*"}:
        return SpecifierSet()
    try:
        Version(text.removesuffix(".*"))
    except InvalidVersion:
        try:
            return SpecifierSet(text)
        except InvalidSpecifier as error:
            raise ManifestError(
                f"{where} is not a version of a Python distribution: {version!r}",
                identifier="version-invalid",
                where=where,
                hint='write "1.2.3" for exactly that version, "1.2.*" for its patches, or a range such as ">=1.2,<2"',
            ) from error
    return SpecifierSet(f"=={text}")


def _check_direct(name: str, requirement: Requirement, install: PypiInstall) -> None:
    """Refuse direct references that a lock cannot hold."""
    where = f"install.{name}.pypi"
    parts = urlsplit(requirement.url or "")
    if install.version is not None:
        raise ManifestError(
            f"install.{name} names an archive and a version",
            identifier="version-with-archive",
            where=f"install.{name}.version",
            hint="leave version out: the archive decides it",
        )
    if parts.scheme.startswith("git+") or parts.scheme in {"git", "ssh"}:
        raise ManifestError(
            f"install.{name} names a Git repository as a Python requirement",
            identifier="requirement-git",
            where=where,
            hint=f'write {name} = {{ git = "{_without_credentials(requirement.url or "")}" }}',
        )
    if parts.scheme not in {"http", "https", "file"}:
        raise ManifestError(
            f"install.{name} names an archive without an address: {requirement.url!r}",
            identifier="requirement-invalid",
            where=where,
            hint='give a whole address ("https://..." or "file:///..."), or write { path = "..." } for own source',
        )
    if (parts.username or parts.password) and "${" not in parts.netloc:
        raise ManifestError(
            f"install.{name} holds credentials, which would be in the lock",
            identifier="credentials-in-manifest",
            where=where,
            hint="take them out of the address and put them into ~/.netrc, keyring or uv's configuration",
        )


def _without_credentials(url: str) -> str:
    parts = urlsplit(url.removeprefix("git+"))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
