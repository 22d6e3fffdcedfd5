"""From a descriptor to an archive: open the source, tell what it is, make its archive once.

The key under which an archive is remembered holds everything that decides its bytes as far as we can know it: for a
directory the digest of its files, for Git the commit, and for what a build may fetch the manifest's snapshot date.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO

import msgspec

from breakbulk.ecosystems.source.making import Archives, Made
from breakbulk.ecosystems.source.opening import Opened, open_directory
from breakbulk.ecosystems.source.packing import pack
from breakbulk.ecosystems.source.projects import is_project, make_wheel
from breakbulk.manifest.schema import GitInstall, PathInstall
from breakbulk.settings import Settings

__all__ = ["Product", "Workshop"]

_FORMAT = 1
"""Raised whenever the same source gives another archive."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """The archive of a source, the commit it is from, and what the user should know."""

    made: Made
    commit: str | None = None
    notes: tuple[str, ...] = ()


class Workshop:
    """Makes archives of sources.

    Args:
        directory: Where relative paths of the manifest start.
        snapshot: Date as of which builds resolve what they need, None for now.
        settings: Store and cache.

    """

    def __init__(self, directory: Path, snapshot: str | None, settings: Settings) -> None:
        self._directory = directory
        self._snapshot = snapshot
        self._settings = settings
        self._archives = Archives(settings.store / "archives", settings.cache)

    def product(self, install_id: str, install: PathInstall | GitInstall, *, locked_commit: str | None) -> Product:
        """Return the archive of a source; of Git the locked commit, as long as the manifest asks for it."""
        if isinstance(install, PathInstall):
            return self._of_directory(install_id, install)
        return self._of_commit(install_id, install, locked_commit)

    def _of_directory(self, install_id: str, install: PathInstall) -> Product:
        opened = open_directory(install, self._directory, self._settings)
        as_wheel = _may_be_wheel(install) and is_project(opened.root, opened.items)
        key = self._key("tree", opened.tree, as_wheel)
        return Product(
            made=self._archives.made_once(key, lambda file: self._make(install_id, opened, file, as_wheel=as_wheel))
        )

    def _of_commit(self, install_id: str, install: GitInstall, locked: str | None) -> Product:
        from breakbulk.ecosystems.source.commits import open_commit
        from breakbulk.ecosystems.source.git import Repository

        repository = Repository(install, self._directory, self._settings, install_id)
        commit = repository.commit(locked)
        notes: list[str] = []

        def make(file: IO[bytes]) -> Made:
            with open_commit(repository, commit, install, self._settings, install_id) as opened:
                notes.extend(opened.notes)
                as_wheel = _may_be_wheel(install) and is_project(opened.root, opened.items)
                return self._make(install_id, opened, file, as_wheel=as_wheel)

        key = self._key("commit", commit, install.subdirectory, _may_be_wheel(install))
        return Product(made=self._archives.made_once(key, make), commit=commit, notes=tuple(notes))

    def _make(self, install_id: str, opened: Opened, file: IO[bytes], *, as_wheel: bool) -> Made:
        if as_wheel:
            return make_wheel(opened, file, self._snapshot, self._settings)
        pack(opened.root, opened.items, file)
        return Made(file=f"{install_id}.tar", tree=opened.tree)

    def _key(self, *parts: str | bool | None) -> str:
        return hashlib.sha256(msgspec.json.encode([_FORMAT, self._snapshot, *parts])).hexdigest()


def _may_be_wheel(install: PathInstall | GitInstall) -> bool:
    """Tell whether a Python project is to become a wheel: not when the manifest says where its tree goes."""
    return install.destination is None
