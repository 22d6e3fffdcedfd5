"""Rules for one install descriptor, whoever wrote it: a manifest, a word on the command line, a lock.

`check_install` raises a `Fault` at the first thing wrong. What only an index can know, whether a package or version
exists, is no rule of the manifest.
"""

from __future__ import annotations

import re

from breakbulk.manifest import texts
from breakbulk.manifest.faults import Fault, KeyPath
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

__all__ = ["check_install"]

_DEB_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_DEB_VERSION = re.compile(r"(?:(?:<<|<=|=|>=|>>) ?)?(?:\d+:)?[0-9][A-Za-z0-9.+~-]*\*?")
_PLAIN_VERSION = r"[0-9]+(?:\.[0-9]+)*"
_PLAIN_RANGE = rf"(?:==|!=|<=|>=|<|>) *{_PLAIN_VERSION}"
_PLAIN_RANGES = rf"{_PLAIN_RANGE}(?: *, *{_PLAIN_RANGE})*"
_PLAIN_VERSIONS = re.compile(rf"{_PLAIN_VERSION}|{_PLAIN_RANGES}")
_PLAIN_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_PLAIN_REQUIREMENT = re.compile(rf"{_PLAIN_NAME}(?:\[{_PLAIN_NAME}(?:,{_PLAIN_NAME})*\])?(?P<ranges>{_PLAIN_RANGES})?")
"""What most manifests hold is judged without `packaging`, whose import would delay every command by 15 ms."""
_EXTRA = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_REVISION = re.compile(r"[A-Za-z0-9._/+~][A-Za-z0-9._/+~^@-]*")
_STORE_PATH = re.compile(r"/nix/store/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+(?:/.*)?")
_SCP_ADDRESS = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s:][^\s]*")
_PKG_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]*")


def check_install(install: Install, path: KeyPath) -> None:
    """Raise `Fault` unless `install`, which stands at `path`, makes sense."""
    if install.priority < 0:
        raise Fault(
            (*path, "priority"), f"is {install.priority}, and priorities begin at 0", hint="the lower number wins"
        )
    if install.systems == ():
        raise Fault(
            (*path, "systems"), "is empty, so it would be installed nowhere", hint="name a system or drop the key"
        )
    match install:
        case PypiInstall():
            _check_pypi(install, path)
        case DebInstall():
            _check_deb(install, path)
        case PathInstall():
            _check_path(install, path)
        case GitInstall():
            _check_git(install, path)
        case ArchiveInstall():
            _check_archive(install, path)
        case CatalogInstall() | FlakeInstall() | StoreInstall():
            _check_nix(install, path)


def _check_pypi(install: PypiInstall, path: KeyPath) -> None:
    plain = _PLAIN_REQUIREMENT.fullmatch(install.pypi)
    pinned = bool(plain["ranges"]) if plain else _check_requirement(install.pypi, path)
    if install.version is not None:
        if pinned:
            raise Fault((*path, "version"), "cannot stand beside a version in `pypi`", hint="keep one of the two")
        if not _PLAIN_VERSIONS.fullmatch(install.version):
            _check_python_version(install.version, (*path, "version"))
    _check_extras(install.extras, path)
    if install.build and (not install.dependencies or "@" in install.pypi):
        other = "`dependencies = false`" if not install.dependencies else "the address of an archive"
        raise Fault((*path, "build"), f"cannot stand beside {other}", hint="keep one of the two")


def _check_requirement(text: str, path: KeyPath) -> bool:
    """Tell whether a requirement decides the version, by a specifier or an address; raise `Fault` for what is none."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise Fault((*path, "pypi"), f'is "{text}", which is no requirement of PEP 508: {why}',
                    hint='write "name", "name[extra]>=1.2" or "name @ https://..."') from None  # fmt: skip
    if requirement.url:
        texts.no_credentials(requirement.url, (*path, "pypi"))
    return bool(requirement.specifier or requirement.url)


def _check_python_version(text: str, path: KeyPath) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        try:
            SpecifierSet(text)
        except InvalidSpecifier:
            raise Fault(
                path, f'is "{text}", which is no version of PEP 440', hint='write "1.2.3" or ">=1.2,<2"'
            ) from None


def _check_extras(extras: tuple[str, ...], path: KeyPath) -> None:
    for index, extra in enumerate(extras):
        texts.matching(_EXTRA, extra, (*path, "extras", index), "no name of an extra", "name the extra alone")


def _check_deb(install: DebInstall, path: KeyPath) -> None:
    texts.matching(
        _DEB_NAME,
        install.deb,
        (*path, "deb"),
        "no name of a Debian package",
        "use lower case letters, digits and + - . only; a version has its own key",
    )
    if install.version is not None:
        texts.matching(
            _DEB_VERSION, install.version, (*path, "version"), "no Debian version", 'write "1:2.39*" or ">= 1:2.39"'
        )
    if install.suite is not None:
        texts.suite(install.suite, (*path, "suite"))


def _check_path(install: PathInstall, path: KeyPath) -> None:
    texts.host_path(install.path, (*path, "path"))
    for index, pattern in enumerate(install.exclude):
        texts.host_path(pattern, (*path, "exclude", index))
    _check_destination(install.destination, path)
    _check_extras(install.extras, path)


def _check_git(install: GitInstall, path: KeyPath) -> None:
    if not _SCP_ADDRESS.fullmatch(install.git) and not install.git.startswith(("/", "./", "../")):
        texts.address(install.git, (*path, "git"), ("https", "ssh", "git", "http", "file"))
    texts.host_path(install.git, (*path, "git"))
    given = {key: value for key in ("rev", "branch", "tag") if (value := getattr(install, key)) is not None}
    if len(given) > 1:
        first, second = list(given)[:2]
        raise Fault((*path, second), f"cannot stand beside `{first}`", hint="keep one of `rev`, `branch` and `tag`")
    for key, value in given.items():
        texts.matching(_REVISION, value, (*path, key), "no name of a revision", "write a commit, branch or tag")
    if install.subdirectory is not None:
        texts.inner_path(install.subdirectory, (*path, "subdirectory"))
    _check_destination(install.destination, path)
    _check_extras(install.extras, path)


def _check_archive(install: ArchiveInstall, path: KeyPath) -> None:
    texts.address(install.url, (*path, "url"), ("https", "http", "file"))
    texts.sha256(install.sha256, (*path, "sha256"))
    if install.strip < 0:
        raise Fault(
            (*path, "strip"), f"is {install.strip}", hint="name how many leading directories to drop, 0 or more"
        )
    _check_destination(install.destination, path)


def _check_nix(install: CatalogInstall | FlakeInstall | StoreInstall, path: KeyPath) -> None:
    match install:
        case CatalogInstall(pkg_path=str(text)):
            texts.matching(
                _PKG_PATH, text, (*path, "pkg-path"), "no path of a package", 'write "jq" or "owner/package"'
            )
        case CatalogInstall(pkg_path=()):
            raise Fault((*path, "pkg-path"), "is empty", hint="name the package")
        case FlakeInstall(flake=text):
            texts.no_credentials(text, (*path, "flake"))
            texts.host_path(text, (*path, "flake"))
        case StoreInstall(store_path=text):
            texts.matching(_STORE_PATH, text, (*path, "store-path"), "no path of the Nix store", "copy it whole")


def _check_destination(destination: str | None, path: KeyPath) -> None:
    if destination is not None:
        texts.destination(destination, (*path, "destination"))
