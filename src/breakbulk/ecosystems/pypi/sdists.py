"""The source archive of a distribution that is to be built here: which version, from where, verified.

uv is not asked, as it would run the project's build back end to learn its metadata; this runs nothing. Of the versions
that the requirement and the constraints admit, that were there at the snapshot and that say they work with the Python,
the locked one is taken, else the newest.

Formats: PEP 625 (names of source archives), PEP 592 (yanked files), PEP 700 (times of upload).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import Version

from breakbulk.ecosystems.interface import Sdist
from breakbulk.ecosystems.pypi.indexes import Indexes
from breakbulk.ecosystems.pypi.simple_api import ProjectFile, files_of_page, project_files
from breakbulk.ecosystems.pypi.transport import Transport
from breakbulk.errors import IntegrityError, NotFoundError
from breakbulk.settings import Settings

__all__ = ["Candidate", "choose", "constrained", "find_candidates", "obtain", "unknown"]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A source archive that an index offers."""

    version: Version
    file: ProjectFile


def constrained(requirement: Requirement, constraints: Iterable[Path]) -> SpecifierSet:
    """Return the versions that a requirement and the lines about it in files of constraints admit."""
    name, specifier = canonicalize_name(requirement.name), requirement.specifier
    for path in constraints:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                constraint = Requirement(line.partition(" #")[0].strip())
            except InvalidRequirement:  # comments, options, and what uv will complain about
                continue
            if canonicalize_name(constraint.name) == name:
                specifier &= constraint.specifier
    return specifier


def find_candidates(name: str, indexes: Indexes, transport: Transport) -> list[Candidate]:
    """Return the source archives of a project: of the directories and pages of links, and of the first index with it.

    Raises `NetworkError`.
    """
    found = [each for link in indexes.links for each in _of_link(link, transport)]
    for index in indexes.simple:
        if files := project_files(index, name, transport):
            found += files
            break
    return list(_candidates(name, found))


def choose(
    candidates: Iterable[Candidate],
    specifier: SpecifierSet,
    *,
    python: str,
    snapshot: str | None,
    held: str | None,
) -> Candidate | None:
    """Return the archive to build: of the version `held` if it will do, else of the newest; None when none will do."""
    before = _moment(snapshot) if snapshot else None
    usable = [each for each in candidates if _works_with(each.file, python) and _was_there(each.file, before)]
    admitted = set(specifier.filter({each.version for each in usable}))
    fitting = [each for each in usable if each.version in admitted and (not each.file.yanked or _pins(specifier))]
    kept = [each for each in fitting if str(each.version) == held]
    return max(kept or fitting, key=lambda each: (each.version, each.file.name.endswith(".tar.gz")), default=None)


def obtain(name: str, candidate: Candidate, transport: Transport, settings: Settings) -> Sdist:
    """Return the archive, downloaded and compared with the index's digest.

    Raises:
        NetworkError: The index does not give it.
        IntegrityError: It is not what the index promises; `sdist-digest-missing`, the index promises nothing.

    """
    file = candidate.file
    local = urlsplit(file.url)
    if local.scheme == "file":
        path = Path(unquote(local.path))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    elif file.sha256 is None:
        raise IntegrityError(
            "the index gives no SHA-256 of a source archive",
            identifier="sdist-digest-missing",
            where=file.name,
            hint="use an index that does (PEP 503), or install an unpacked copy of the source with `path`",
        )
    else:
        sha256 = file.sha256
        path = settings.cache / "pypi" / "sdists" / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            transport.download(file.url, sha256, path)
    return Sdist(name=name, version=str(candidate.version), file=file.name, sha256=sha256, path=path)


def unknown(name: str, install: str, candidates: Iterable[Candidate], specifier: SpecifierSet) -> NotFoundError:
    """Return the error for a project without an archive that will do."""
    versions = sorted({each.version for each in candidates}, reverse=True)
    newest = ", ".join(map(str, versions[:5]))
    return NotFoundError(
        f"there is no source archive of {name} to build",
        identifier="sdist-missing",
        where=f"install.{install}",
        why=f"{specifier or 'any version'} is asked for, and there are {newest}" if versions else "the index has none",
        hint="check name, version and options.snapshot; of a project with wheels leave `build = true` out",
    )


def _candidates(name: str, files: Iterable[ProjectFile]) -> Iterator[Candidate]:
    for each in files:
        try:
            found, version = parse_sdist_filename(each.name)
        except InvalidSdistFilename:
            continue
        if found == name:
            yield Candidate(version=version, file=each)


def _of_link(link: str, transport: Transport) -> Iterator[ProjectFile]:
    """Yield the files of a directory or a page that `--find-links` names."""
    parts = urlsplit(link)
    if "://" in link and parts.scheme != "file":
        yield from files_of_page(link, transport)
        return
    directory = Path(unquote(parts.path)) if parts.scheme == "file" else Path(link)
    if directory.is_dir():
        yield from (ProjectFile(path.name, path.absolute().as_uri()) for path in sorted(directory.iterdir()))


def _works_with(file: ProjectFile, python: str) -> bool:
    try:
        return file.requires_python is None or f"{python}.99" in SpecifierSet(file.requires_python)
    except InvalidSpecifier:  # as pip: what cannot be read forbids nothing
        return True


def _was_there(file: ProjectFile, before: dt.datetime | None) -> bool:
    """Tell whether a file was there at the snapshot; one that nobody knows the time of was not, as uv has it."""
    if before is None or urlsplit(file.url).scheme == "file":
        return True
    return file.uploaded is not None and _moment(file.uploaded) < before


def _moment(text: str) -> dt.datetime:
    """Return the moment of a date, whose whole day counts (as in uv), or of a date-time."""
    moment = dt.datetime.fromisoformat(text.upper())
    if len(text) == len("2025-11-01"):
        moment += dt.timedelta(days=1)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _pins(specifier: SpecifierSet) -> bool:
    return any(each.operator in {"==", "==="} for each in specifier)
