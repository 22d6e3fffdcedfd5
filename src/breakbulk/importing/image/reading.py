"""Make a manifest from an image: the packages that somebody asked for, or all exactly, and how it is run.

By default the names are taken, and locking chooses versions. Exact versions rebuild the image, as long as the archives
still have them: Debian's keeps one version of a package per suite, `options.snapshot` goes back in time.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from breakbulk.importing.assembly import Assembly
from breakbulk.importing.bases import PYTHON_OF_SUITE, base_of, suite_with_python
from breakbulk.importing.container import Container, Health, describe
from breakbulk.importing.image import debian, python
from breakbulk.importing.image.archive import Configuration, ImageArchive, Settings
from breakbulk.importing.image.layers import Files, read_layers
from breakbulk.importing.report import Imported
from breakbulk.manifest.schema import DebInstall, GitInstall, PypiInstall

__all__ = ["from_image"]

_RELEASES = ("etc/os-release", "usr/lib/os-release")
_OTHER_DATABASES = {"lib/apk/db/installed": "Alpine's", "usr/lib/apk/db/installed": "Alpine's",
                    "var/lib/rpm/rpmdb.sqlite": "RPM's", "usr/lib/sysimage/rpm/rpmdb.sqlite": "RPM's"}  # fmt: skip
_OWN_PLACES = re.compile(r"(?:app|srv|home|root|opt|usr/src|code|workspace)/(?!\.).+")
_OF_PYTHON = re.compile(r".*/(?:site-packages|dist-packages|__pycache__|\.cache)/.*")
_OF_PYTHONS_IMAGE = {"GPG_KEY", "PYTHON_SHA256", "PYTHON_VERSION"}
"""How the interpreter of Docker's image was made; here it is Debian's."""
_SYSTEMS = {"amd64": "x86_64-linux", "arm64": "aarch64-linux"}
_RELEASE_FIELD = re.compile(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", re.MULTILINE)


def from_image(path: Path, *, into: Path, name: str | None = None, exact: bool = False) -> Imported:
    """Return a manifest for the directory `into` that has what the image in the archive `path` has.

    With `exact` every package in its version. A service that it describes is called `name`. Raises what
    `archive.ImageArchive` and `layers.read_layers` do.
    """
    with ImageArchive(path) as image:
        settings = image.configuration.config or Settings()
        files = read_layers(image, _is_wanted, lambda member: _is_own(member, settings.working_dir or ""))
        configuration, others = image.configuration, image.others
    assembly = Assembly(f"Made from the image {path.name} by `breakbulk import`.", into)
    if others:
        assembly.remark("left", path.name, f"{others} more images are in it: only the first was read")
    _take_system(configuration, files, assembly)
    _take_debian(files, assembly, exact=exact)
    _take_python(files, assembly, exact=exact)
    _report_files(files, assembly)
    describe(_container(settings), assembly, name or path.name.partition(".")[0])
    return assembly.finished()


def _is_wanted(path: str) -> bool:
    known = path in _RELEASES or path == debian.EXTENDED_STATES or path in _OTHER_DATABASES
    return known or bool(debian.STATUS.fullmatch(path) or python.METADATA.fullmatch(path))


def _is_own(path: str, directory: str) -> bool:
    """Tell whether a file is where people put their own, packages of Python apart."""
    here = directory.strip("/")
    own = bool(_OWN_PLACES.fullmatch(path)) or (bool(here) and path.startswith(f"{here}/"))
    return own and not path.endswith("/") and not _OF_PYTHON.fullmatch(path)


def _take_system(configuration: Configuration, files: Files, assembly: Assembly) -> None:
    """Choose suite and system."""
    if configuration.architecture in _SYSTEMS:
        assembly.choose(systems=(_SYSTEMS[configuration.architecture],))
    release = _release(files)
    name, version = release.get("ID", ""), release.get("VERSION_CODENAME") or release.get("VERSION_ID", "")
    if name:
        base = base_of(f"{name}:{release.get('VERSION_ID', version) if name == 'ubuntu' else version}")
        assembly.remark(base.fate, release.get("PRETTY_NAME", name), base.note)
        if base.suite:
            assembly.choose(suite=base.suite)
    for path, whose in _OTHER_DATABASES.items():
        if path in files:
            assembly.remark("left", f"/{path}", f"{whose} packages: install what is meant by its name in Debian")


def _release(files: Files) -> dict[str, str]:
    data = next((found for path in _RELEASES if (found := files.get(path))), b"")
    return dict(_RELEASE_FIELD.findall(data.decode("utf-8", "replace")))


def _take_debian(files: Files, assembly: Assembly, *, exact: bool) -> None:
    every = debian.installed(files)
    chosen = every if exact else debian.asked_for(every, files.get(debian.EXTENDED_STATES))
    for package in chosen:
        install = DebInstall(deb=package.name, version=package.version if exact else None)
        assembly.take(f"{package.name} {package.version}", package.name, install)
    if exact and every:
        note = "a version that was superseded may be gone from the archive: set options.snapshot to the image's date"
        assembly.remark("approximated", f"{len(every)} packages of Debian", note)


def _take_python(files: Files, assembly: Assembly, *, exact: bool) -> None:
    every = python.installed(files)
    for package in every if exact else python.requested(every):
        source = f"{package.name} {package.version}"
        if package.origin is not None:
            _take_origin(source, package, assembly)
        else:
            version = f"=={package.version}" if exact else ""
            assembly.take(source, package.name, PypiInstall(pypi=f"{package.name}{version}"))
    _choose_python([package.python for package in every if package.python], assembly)


def _take_origin(source: str, package: python.PythonPackage, assembly: Assembly) -> None:
    """Take a distribution that came from no index: a repository, or somebody's directory."""
    origin = package.origin or {}
    commit = origin.get("vcs_info")
    if isinstance(commit, Mapping) and commit.get("vcs") == "git":
        install = GitInstall(git=str(origin.get("url")), rev=str(commit.get("commit_id")))
        assembly.take(source, package.name, install)
    else:
        assembly.remark("left", source, f"it was built from a directory or file: {package.name}.path = DIRECTORY")


def _choose_python(minors: Sequence[str], assembly: Assembly) -> None:
    """Choose the suite with the Python that most distributions were installed for."""
    if not minors:
        return
    minor = Counter(minors).most_common(1)[0][0]
    if PYTHON_OF_SUITE.get(str(assembly.options.suite)) == minor:
        return
    suite, same = suite_with_python(minor)
    if same:
        assembly.choose(suite=suite)
    has = PYTHON_OF_SUITE.get(str(assembly.options.suite), "another version")
    assembly.remark("approximated", f"Python {minor}", f"Python {has} of Debian {assembly.options.suite}")


def _report_files(files: Files, assembly: Assembly) -> None:
    """Say where files are that belong to no package: somebody's own source."""
    places = Counter("/".join(posixpath.dirname(path).split("/")[:2]) for path, data in files.items() if data is None)
    for place, number in sorted(places.items()):
        note = f"{number} files of no package: add your source with path = DIRECTORY, destination = /{place}"
        assembly.remark("left", f"/{place}", note)


def _container(settings: Settings) -> Container:
    pairs = (variable.partition("=") for variable in settings.env or [])
    return Container(
        variables={name: value for name, _, value in pairs if name not in _OF_PYTHONS_IMAGE},
        entrypoint=settings.entrypoint,
        command=settings.cmd,
        directory=settings.working_dir or "/",
        user=settings.user or None,
        ports=sorted(settings.exposed_ports or {}),
        volumes=sorted(settings.volumes or {}),
        labels=dict(settings.labels or {}),
        stop_signal=settings.stop_signal,
        health=_health(settings),
    )


def _health(settings: Settings) -> Health | None:
    check = settings.healthcheck
    if check is None or not check.test or len(check.test) < 2:
        return None
    words = check.test[1:]
    return Health(
        command=words[0] if check.test[0] == "CMD-SHELL" else shlex.join(words),
        interval_s=(check.interval or 30_000_000_000) / 1e9,
        start_s=(check.start_period or 0) / 1e9,
        retries=check.retries or 3,
    )
