"""Add and remove installs in the text of a manifest; everything else in it stays byte for byte.

Comments, order, blank lines and line ends are the user's: `rewriting` changes single pieces of the text. An edit is
accepted only when the edited text parses to exactly the intended values. Counterpart: `reading`. Writing files is the
callers' business; nothing here touches one.
"""

from __future__ import annotations

import tomllib
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from breakbulk.errors import ManifestError, NotFoundError, UsageError
from breakbulk.manifest import rewriting
from breakbulk.manifest.decoding import discriminating_key, encode
from breakbulk.manifest.faults import nearest
from breakbulk.manifest.reading import MANIFEST_NAME, parse_manifest
from breakbulk.manifest.schema import Install, Manifest, PypiInstall
from breakbulk.manifest.specs import Spec, parse_spec

__all__ = ["Spec", "add_install", "choose_id", "find_install", "parse_spec", "remove_install"]

_KEPT_KEYS = ("systems", "priority", "dependencies", "exclude", "destination")
"""Keys that a word on the command line cannot say; they are kept when the package is installed in another version."""


def add_install(text: str, spec: Spec, *, install_id: str | None = None, file: str = MANIFEST_NAME) -> str:
    """Return the manifest `text` with `spec` installed, under `install_id` or the id that `choose_id` gives.

    A package that is already there is changed in place and keeps what a word cannot say, such as its systems. Raises
    `ManifestError` when `text` is no manifest, `UsageError` (`install-id-taken`) when another package has that id.
    """
    manifest = parse_manifest(text, file)
    name = install_id or choose_id(manifest, spec)
    present = manifest.install.get(name)
    if present is not None and _package(present) != _package(spec.install):
        raise UsageError(
            f"the install id {name} belongs to another package",
            identifier="install-id-taken",
            where=file,
            hint="choose another id, or uninstall that one first",
        )
    if present is None:
        return _accepted(rewriting.inserted(text, name, encode(spec.install)), text, name, encode(spec.install), file)
    kept = {key: value for key, value in encode(present).items() if key in _KEPT_KEYS}
    descriptor = {**encode(spec.install), **kept}
    return _accepted(rewriting.changed(text, name, descriptor), text, name, descriptor, file)


def remove_install(text: str, name: str, *, file: str = MANIFEST_NAME) -> str:
    """Return the manifest `text` without the install `name`, which `find_install` understands; raise like it."""
    install_id = find_install(parse_manifest(text, file), name)
    return _accepted(rewriting.removed(text, ("install", install_id)), text, install_id, None, file)


def choose_id(manifest: Manifest, spec: Spec) -> str:
    """Return the id under which `add_install` puts `spec`: that of the same package, else a free one."""
    for name, install in manifest.install.items():
        if _package(install) == _package(spec.install):
            return name
    base = spec.id
    candidates = [base, f"{base}-{_key(spec.install)}", *(f"{base}-{count}" for count in range(2, 10_000))]
    return next(name for name in candidates if name not in manifest.install)


def find_install(manifest: Manifest, name: str) -> str:
    """Return the install id meant by `name`: an id, a package's name, or a word such as `pypi:pandas`.

    Raises `NotFoundError` (`install-not-found`) with the nearest id, `UsageError` (`install-ambiguous`) when several
    installs have that name.
    """
    if name in manifest.install:
        return name
    named = [i for i, install in manifest.install.items() if name in _names(install)]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(
            f"{name} may be any of {', '.join(named)}", identifier="install-ambiguous", hint=f"name one: {named[0]}"
        )
    meant = nearest(name, manifest.install)
    hint = f"did you mean {meant}?" if meant else "breakbulk list shows what is installed"
    raise NotFoundError(f"{name} is not installed by the manifest", identifier="install-not-found", hint=hint)


def _key(install: Install) -> str:
    return discriminating_key(type(install))


def _package(install: Install) -> tuple[str, Any]:
    """Return what makes two installs the same package, whatever their version."""
    key = _key(install)
    if isinstance(install, PypiInstall):
        return key, canonicalize_name(Requirement(install.pypi).name)
    return key, encode(install)[key]


def _names(install: Install) -> set[str]:
    key, package = _package(install)
    return {str(package), f"{key}:{package}"}


def _accepted(edited: str, text: str, name: str, descriptor: dict[str, Any] | None, file: str) -> str:
    """Return `edited` if it says what `text` says except for one install; an edit that goes wrong reaches no file."""
    wanted = tomllib.loads(text)
    installs = {**wanted.get("install", {}), name: descriptor}
    wanted["install"] = {key: value for key, value in installs.items() if value is not None}
    try:
        found = tomllib.loads(edited)
    except tomllib.TOMLDecodeError:
        found = {}
    found.setdefault("install", {})
    if found != wanted:
        raise ManifestError(
            f"`install.{name}` is written in a way that cannot be edited",
            identifier="manifest-not-editable",
            where=file,
            hint="breakbulk edit, and change it by hand",
        )
    parse_manifest(edited, file)
    return edited
