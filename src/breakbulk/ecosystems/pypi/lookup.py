"""One name looked up on the indexes: there is no way to search them by words.

Format: https://packaging.python.org/specifications/version-specifiers/ (PEP 440, the order of versions).
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from breakbulk.ecosystems.pypi.indexes import Indexes
from breakbulk.ecosystems.pypi.simple_api import ProjectFile, project_files
from breakbulk.ecosystems.pypi.transport import Transport

__all__ = ["newest_versions", "versions_of"]


def versions_of(name: str, indexes: Indexes, transport: Transport) -> tuple[str, ...]:
    """Return the versions of a project that have wheels, newest first, of the first index that knows it.

    Raises `NetworkError`. An unknown name, or what cannot be one, has no versions.
    """
    try:
        project = canonicalize_name(name, validate=True)
    except InvalidName:
        return ()
    for index in indexes.simple:
        files = project_files(index, project, transport)
        if files:
            return newest_versions(files)
    return ()


def newest_versions(files: Iterable[ProjectFile]) -> tuple[str, ...]:
    """Return the versions of the wheels among `files`, newest first; pre-releases only where there is nothing else."""
    found: set[Version] = set()
    for each in files:
        try:
            found.add(parse_wheel_filename(each.name)[1])
        except InvalidWheelFilename:
            continue
    final = {version for version in found if not version.is_prerelease}
    return tuple(str(version) for version in sorted(final or found, reverse=True))
