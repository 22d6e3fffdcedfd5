"""Read one word that names a package: `pypi:pandas>=2`, `deb:git=1:2.39*`, `./`, `git+https://...@rev`.

The grammar of `breakbulk install` and of plain strings in `[install]`. A word becomes the same descriptor that one
would write in the manifest by hand; `install_rules` then judges it like any other. Counterpart: `editing`, which
writes it.

    pypi:REQUIREMENT                       PEP 508: name, extras, version, direct reference
    deb:NAME[=VERSION|>=VERSION][/SUITE]   Debian package, as with apt-get(8)
    ./DIRECTORY  ../DIRECTORY  /DIRECTORY  the user's own source
    git+URL[@REVISION][#subdirectory=DIR]  as with pip
    URL#sha256=DIGEST[&strip=N]            an archive
    hub:OWNER/NAME  flake:REFERENCE  /nix/store/PATH
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

from breakbulk.errors import UsageError
from breakbulk.manifest.faults import Fault, nearest
from breakbulk.manifest.install_rules import check_install
from breakbulk.manifest.schema import (
    ArchiveInstall,
    CatalogInstall,
    DebInstall,
    FlakeInstall,
    GitInstall,
    Install,
    PathInstall,
    PypiInstall,
    StoreInstall,
)

__all__ = ["Spec", "parse_spec"]

_DEB = re.compile(r"(?P<name>[^=<>/\s]+)\s*(?:(?P<relation><<|<=|>=|>>|=)\s*(?P<version>[^\s/]+))?(?:/(?P<suite>\S+))?")
_PYPI_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_ARCHIVE_SUFFIX = re.compile(r"(?:\.(?:tar|t?gz|tgz|tbz2?|txz|bz2|xz|zst|zip|whl))+$")
_OTHER_NAMES = {"pip": "pypi", "python": "pypi", "uv": "pypi", "apt": "deb", "debian": "deb"}
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


class Spec(msgspec.Struct, frozen=True):
    """A package as named on the command line: its descriptor, and the install id it gets unless that is taken."""

    install: Install
    id: str


def parse_spec(word: str, *, directory: Path | None = None, here: Path | None = None) -> Spec:
    """Return the install that `word` names.

    Args:
        word: What the user wrote.
        directory: Where the manifest is; gives `./` its name, and paths are written relative to it.
        here: Where relative paths of the word start; `directory` by default.

    Raises:
        UsageError: `ecosystem-missing` for a bare name, `ecosystem-unknown`, `digest-missing` for an archive without
            SHA-256, `spec-invalid` for anything else that is no package.

    """
    word = word.strip()
    spec = _parse(word, directory, here)
    try:
        check_install(spec.install, ())
    except Fault as fault:
        raise UsageError(f"{word!r} {fault.problem}", identifier="spec-invalid", hint=fault.hint) from None
    return spec


def _parse(word: str, directory: Path | None, here: Path | None) -> Spec:
    if word.startswith("/nix/store/"):
        return Spec(StoreInstall(store_path=word), _as_id(PurePosixPath(word).name.partition("-")[2]))
    if word in {".", ".."} or word.startswith(("./", "../", "/")):
        return _path(word, directory, here)
    if word.startswith("git+"):
        return _git(word.removeprefix("git+"))
    prefix, colon, rest = word.partition(":")
    if colon and rest.startswith("//"):
        return _archive(word)
    if colon and prefix in _PREFIXES:
        return _PREFIXES[prefix](rest.strip())
    if colon and prefix.isidentifier():
        meant = _OTHER_NAMES.get(prefix) or nearest(prefix, _PREFIXES)
        raise UsageError(
            f"{prefix!r} in {word!r} is no ecosystem",
            identifier="ecosystem-unknown",
            hint=f"write {meant}:{rest}" if meant else f"the ecosystems are {', '.join(_PREFIXES)}",
        )
    directories = f"./{word} for a directory"
    packages = f"pypi:{word} for the Python package or deb:{word} for the Debian package"
    raise UsageError(
        f"{word!r} does not say where it comes from",
        identifier="ecosystem-missing",
        hint=f"write {directories if '/' in word else packages}",
    )


def _pypi(rest: str) -> Spec:
    name = _PYPI_NAME.match(rest)
    return Spec(PypiInstall(pypi=rest), _as_id(name.group() if name else rest))


def _deb(rest: str) -> Spec:
    match = _DEB.fullmatch(rest)
    if match is None:
        raise UsageError(f"'deb:{rest}' is no Debian package", identifier="spec-invalid", hint="write deb:git=1:2.39*")
    version = match["version"]
    if version and match["relation"] != "=":
        version = f"{match['relation']} {version}"
    return Spec(DebInstall(deb=match["name"], version=version, suite=match["suite"]), _as_id(match["name"]))


def _path(word: str, directory: Path | None, here: Path | None) -> Spec:
    text = word
    if here is not None and directory is not None and not word.startswith("/"):
        text = os.path.relpath(here / word, directory)
    text = text if text.startswith(("/", ".")) else f"./{text}"
    base = here or directory
    whole = base / word if base is not None else Path(word)
    name = whole.resolve().name if base is not None else PurePosixPath(word).name.strip(".")
    return Spec(PathInstall(path=text), _as_id(name))


def _git(address: str) -> Spec:
    address, _, fragment = address.partition("#")
    options = _fragment(fragment, {"subdirectory", "egg"}, address)
    # A revision follows the last "@" behind the host: ssh://git@host/x has none.
    start = address.find("/", address.find("://") + 3) if "://" in address else address.find(":")
    at = address.rfind("@", max(start, 0))
    rev = address[at + 1 :] if at > 0 and start >= 0 else None
    url = address[:at] if rev is not None else address
    name = options.get("egg") or PurePosixPath(url).name.removesuffix(".git")
    return Spec(GitInstall(git=url, rev=rev, subdirectory=options.get("subdirectory")), _as_id(name))


def _archive(word: str) -> Spec:
    url, _, fragment = word.partition("#")
    options = _fragment(fragment, {"sha256", "strip"}, word)
    if "sha256" not in options:
        raise UsageError(
            f"the archive {url!r} has no digest",
            identifier="digest-missing",
            why="an archive at an address may change, the lock may not",
            hint=f"curl -fsSL '{url}' | sha256sum, then append #sha256=DIGEST to the address",
        )
    if not options.get("strip", "0").isdecimal():
        raise UsageError(f"strip in {word!r} is not a number", identifier="spec-invalid", hint="write &strip=1")
    name = _ARCHIVE_SUFFIX.sub("", PurePosixPath(urllib.parse.urlsplit(url).path).name)
    install = ArchiveInstall(url=url, sha256=options["sha256"], strip=int(options.get("strip", "0")))
    return Spec(install, _as_id(name))


def _fragment(text: str, known: set[str], word: str) -> dict[str, str]:
    options = dict(part.partition("=")[::2] for part in text.split("&") if part)
    for key in options.keys() - known:
        raise UsageError(
            f"{key!r} in {word!r} is unknown", identifier="spec-invalid", hint=f"write #{' or #'.join(sorted(known))}="
        )
    return options


def _hub(rest: str) -> Spec:
    return Spec(CatalogInstall(pkg_path=rest), _as_id(PurePosixPath(rest).name))


def _flake(rest: str) -> Spec:
    return Spec(FlakeInstall(flake=rest), _as_id(PurePosixPath(rest.partition("#")[2] or rest).name))


def _as_id(name: str) -> str:
    """Return `name` as an install id."""
    return _UNSAFE.sub("-", name).strip(".-+_") or "source"


_PREFIXES: dict[str, Callable[[str], Spec]] = {"pypi": _pypi, "deb": _deb, "hub": _hub, "flake": _flake}
