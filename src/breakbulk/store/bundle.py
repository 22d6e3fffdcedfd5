"""Merge the trees at the bottom of an overlay into one directory of hard links, where there are too many for a mount.

A bundle costs directories only, no content. What wins in it is what would win in the overlay: of two entries with one
path the upper, and directories are merged until something else is in the way. It is named by the digest of its parts'
names, made in staging and renamed, so it is complete or absent.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from breakbulk.store.claims import Claims
from breakbulk.store.layout import KEY_DIGITS, Layout
from breakbulk.store.milestones import passed
from breakbulk.store.staging import Stage

__all__ = ["BUNDLE_OVER", "bundled"]

BUNDLE_OVER = 450
"""Layers of one overlay; the kernel takes 500, and whoever mounts adds some of its own."""


def bundled(layout: Layout, trees: Sequence[Path], *, most: int = BUNDLE_OVER) -> tuple[Path, ...]:
    """Return at most `most` directories that show what `trees` show, the first on top; make a bundle if need be."""
    if len(trees) <= most:
        return tuple(trees)
    kept, tail = tuple(trees[: most - 1]), trees[most - 1 :]
    return (*kept, _bundle(layout, tail))


def _bundle(layout: Layout, parts: Sequence[Path]) -> Path:
    key = hashlib.sha256("\n".join(part.name for part in parts).encode()).hexdigest()[:KEY_DIGITS]
    path = layout.bundles / key
    if path.exists():
        return path
    with Claims(layout.claims) as claims:
        claims.wait(key)
        if not path.exists():
            _make(layout, key, parts, path)
    return path


def _make(layout: Layout, key: str, parts: Sequence[Path], path: Path) -> None:
    stage = Stage(layout, key)
    stage.make()
    try:
        _merge([os.fspath(part) for part in parts], os.fspath(stage.tree))
        passed("bundle-linked")
        stage.tree.rename(path)
        passed("bundle-named")
    finally:
        stage.discard()


def _merge(sources: list[str], target: str) -> None:
    """Fill the directory `target` with links to what the directories `sources` hold, the first on top."""
    entries: dict[str, list[os.DirEntry[str]]] = {}
    for source in sources:
        with os.scandir(source) as found:
            for entry in found:
                entries.setdefault(entry.name, []).append(entry)
    for name, owners in entries.items():
        inner = f"{target}/{name}"
        if owners[0].is_dir(follow_symlinks=False):
            os.mkdir(inner, 0o700)  # noqa: PTH102 - tens of thousands of calls
            _merge(_directories(owners), inner)
        else:
            os.link(owners[0].path, inner, follow_symlinks=False)
    _take_attributes(sources[0], target)


def _directories(owners: Sequence[os.DirEntry[str]]) -> list[str]:
    """Return the directories that an overlay would merge: down to the first owner that is something else."""
    directories: list[str] = []
    for owner in owners:
        if not owner.is_dir(follow_symlinks=False):
            break
        directories.append(owner.path)
    return directories


def _take_attributes(source: str, target: str) -> None:
    """Give a merged directory the owner, mode and times of its uppermost part."""
    status = os.stat(source)  # noqa: PTH116
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, status.st_mode & 0o7777)  # noqa: PTH101
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
