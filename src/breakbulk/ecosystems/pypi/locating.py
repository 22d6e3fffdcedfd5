"""Asking the configured indexes where a locked wheel may be had.

The last resort after what is remembered. Any file with the locked digest will do, whatever it is called; one without a
published digest must have the locked name. The caller compares the bytes in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from breakbulk.ecosystems.pypi.indexes import Indexes
from breakbulk.ecosystems.pypi.simple_api import ProjectFile, files_of_page, project_files
from breakbulk.ecosystems.pypi.transport import Transport
from breakbulk.errors import NetworkError

__all__ = ["search_indexes"]


def search_indexes(name: str, file: str, sha256: str, indexes: Indexes, transport: Transport) -> Iterator[str]:
    """Yield addresses of a wheel of the project `name`, in the order of the indexes.

    Raises `NetworkError` when nothing was found and an index did not answer: it may be the one that has it.
    """
    failure: NetworkError | None = None
    found = False
    for link in indexes.links:
        path = _directory(link)
        if path is not None and (path / file).is_file():
            found = True
            yield (path / file).absolute().as_uri()
    sources = [(link, None) for link in indexes.links if _directory(link) is None]
    for address, project in [*sources, *((index, name) for index in indexes.simple)]:
        try:
            files = (
                project_files(address, project, transport, sha256)
                if project
                else files_of_page(address, transport, sha256)
            )
        except NetworkError as error:
            failure = error
            continue
        matching = [each.url for each in files if _matches(each, file, sha256)]
        found = found or bool(matching)
        yield from matching
    if failure is not None and not found:
        raise failure


def _matches(offered: ProjectFile, file: str, sha256: str) -> bool:
    return offered.sha256 == sha256 if offered.sha256 else offered.name == file


def _directory(link: str) -> Path | None:
    """Return the directory that `--find-links` names, None for a page on a server."""
    parts = urlsplit(link)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in link else Path(link)
