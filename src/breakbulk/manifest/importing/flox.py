"""Make a manifest from a Flox environment: the same text, with packages of nixpkgs replaced by Debian's and PyPI's.

Everything but `[install]` is the same in both. What `nixpkgs` does not map stays visible as a comment
`# no mapping: ...`; descriptors that Breakbulk understands as they are (flakes, store paths) stay untouched.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from breakbulk.errors import NotFoundError
from breakbulk.manifest import rewriting
from breakbulk.manifest.decoding import encode
from breakbulk.manifest.importing.nixpkgs import PACKAGES
from breakbulk.manifest.reading import manifest_in, parse_manifest, read_document
from breakbulk.manifest.schema import CatalogInstall, DebInstall, PypiInstall

__all__ = ["from_flox"]

_PYTHON_PACKAGE = re.compile(r"python3\d*Packages\.(?P<name>[A-Za-z0-9_.-]+)")
_PLAIN_VERSION = re.compile(r"\d+(?:\.\d+)*")


def from_flox(directory: Path) -> str:
    """Return the manifest of the Flox environment in `directory` (or in a `.flox` directory given itself) translated.

    Raises `NotFoundError` (`import-not-found`) when there is none, `ManifestError` when it cannot be read.
    """
    path = manifest_in(directory) if directory.name == ".flox" else manifest_in(directory / ".flox")
    if path is None:
        raise NotFoundError(
            f"{directory} holds no Flox environment",
            identifier="import-not-found",
            where=str(directory),
            hint="name the directory that holds .flox",
        )
    document = read_document(path)
    text = document.text
    for name, install in document.manifest.install.items():
        if isinstance(install, CatalogInstall):
            text = _translated(text, name, install)
    parse_manifest(text, str(path))
    return text


def _translated(text: str, name: str, install: CatalogInstall) -> str:
    """Return `text` with one install of nixpkgs replaced, or reported where there is no mapping."""
    replacement = _replacement(install)
    emptied = rewriting.removed(text, ("install", name))
    if replacement is not None:
        text = rewriting.inserted(emptied, name, encode(replacement))
        if install.version is not None and isinstance(replacement, DebInstall):
            text = rewriting.add_comment(text, f"{name}: version {install.version} is left to the suite")
        return text
    report = f"no mapping: {rewriting.statement(name, encode(install))}"
    return rewriting.add_comment(emptied, report)


def _replacement(install: CatalogInstall) -> DebInstall | PypiInstall | None:
    path = install.pkg_path if isinstance(install.pkg_path, str) else ".".join(install.pkg_path)
    python = _PYTHON_PACKAGE.fullmatch(path)
    word = f"pypi:{python['name'].replace('_', '-')}" if python else PACKAGES.get(path)
    if word is None:
        return None
    ecosystem, _, package = word.partition(":")
    replacement: DebInstall | PypiInstall
    if ecosystem == "deb":
        replacement = DebInstall(deb=package)
    else:
        replacement = PypiInstall(pypi=package, version=_python_version(install.version))
    return msgspec.structs.replace(replacement, systems=install.systems, priority=install.priority)


def _python_version(version: str | None) -> str | None:
    """Return Flox's version requirement as PEP 440 has it: `1.2` means the newest 1.2.x."""
    if version is None:
        return None
    if _PLAIN_VERSION.fullmatch(version):
        return version if version.count(".") >= 2 else f"=={version}.*"
    try:
        SpecifierSet(version)
    except InvalidSpecifier:
        return None
    return version
