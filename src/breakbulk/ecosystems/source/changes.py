"""Whether the user's own sources are still what was locked: asked by every `run`, so it imports next to nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec

from breakbulk.ecosystems.source.opening import open_directory
from breakbulk.lock.model import Lock
from breakbulk.manifest.schema import Manifest, PathInstall
from breakbulk.settings import Settings

__all__ = ["anchored", "changed_source"]


def changed_source(lock: Lock, manifest: Manifest, directory: Path, settings: Settings) -> str | None:
    """Return the id of an install whose directory is no longer what was locked, None when all are. No network.

    Sources in Git are locked to a commit and change only by `--upgrade`. A warm answer costs about 15 µs for a file.
    """
    locked = {
        package.source: package.tree
        for system in lock.systems.values()
        for package in system.packages
        if package.ecosystem == "source"
    }
    for install_id, install in sorted(manifest.install.items()):
        tree = locked.get(install_id)
        if isinstance(install, PathInstall) and tree and open_directory(install, directory, settings).tree != tree:
            return install_id
    return None


def anchored(manifest: Manifest, directory: Path) -> Manifest:
    """Return `manifest` with the paths of its sources made absolute, for `Source.locate`, which knows no directory."""
    installs = {
        install_id: msgspec.structs.replace(install, path=str((directory / install.path).absolute()))
        if isinstance(install, PathInstall)
        else install
        for install_id, install in manifest.install.items()
    }
    return msgspec.structs.replace(manifest, install=installs)
