"""Merge neighbouring trees of an overlay into directories of hard links: fewer layers to look through, and to list.

    trees, the first on top ─► runs ─► a bundle for each ─► bundles/<digest>; records/<digest> names its trees

A bundle costs directories, and no content but that of `etc` and the like. What wins in it is what would win in the
overlay: of two entries with one path the upper, and directories are merged until something else is in the way. It is
named by the digest of its trees' names, made in staging and renamed, so it is complete or absent. Where a run ends is
decided by the name of its last tree alone, so that another version of one package makes one run another, and
environments share the rest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from breakbulk.store.claims import Claims
from breakbulk.store.layout import KEY_DIGITS, Layout
from breakbulk.store.milestones import passed
from breakbulk.store.namespaces import needs_user_namespace
from breakbulk.store.staging import Stage

__all__ = ["BUNDLE_OVER", "bundled", "containing", "contents", "discard", "is_merged", "merged", "trees_of"]

BUNDLE_OVER = 450
"""Layers of one overlay; the kernel takes 500, and whoever mounts adds some of its own."""

_FEW = 16
"""So many layers are as they are: bundles would make nothing faster."""

_RUN = 16
"""Trees of a run, on average."""

_LINKED = frozenset({"usr", "opt", "nix"})
"""Where files are linked. Elsewhere, where few are, they are copied: cron, for one, refuses a table with two names."""


def bundled(layout: Layout, trees: Sequence[Path], *, most: int = BUNDLE_OVER) -> tuple[Path, ...]:
    """Return at most `most` directories that show what `trees` show, the first on top; the trees, if they are not more.

    Raises:
        OSError: The store cannot be written.

    """
    if len(trees) <= most:
        return tuple(trees)
    runs = _runs(trees)
    return tuple(_as_one(layout, run) for run in (runs if len(runs) <= most else [trees]))


def merged(layout: Layout, directories: Sequence[Path], *, make: bool = True) -> tuple[Path, ...]:
    """Return few directories that show what `directories` show, the first on top.

    Args:
        layout: The store.
        directories: Trees and bundles of it, which somebody keeps from collection meanwhile.
        make: Whether to make bundles that are not there; if not, their trees stay as they are.

    Raises:
        OSError: The store cannot be written.

    """
    trees = trees_of(layout, directories)
    if len(trees) <= _FEW:
        return trees
    found: list[Path] = []
    for run in _runs(trees):
        found += [_as_one(layout, run)] if make or _path(layout, run).exists() else run
    return tuple(found) if len(found) <= BUNDLE_OVER else bundled(layout, trees)


def is_merged(directories: Sequence[Path]) -> bool:
    """Say whether `merged` would make no bundle of these; without a look at the disk."""
    return len(directories) <= _FEW or all(len(run) == 1 for run in _runs(directories))


def trees_of(layout: Layout, directories: Sequence[Path]) -> tuple[Path, ...]:
    """Return trees in place of bundles; bundles whose trees are not known stay."""
    found: list[Path] = []
    for directory in directories:
        names = _names(layout, directory.name) if directory.parent == layout.bundles else ()
        found += [layout.packages / name for name in names] or [directory]
    return tuple(found)


def containing(layout: Layout, tree: str) -> Iterator[Path]:
    """Yield the bundles that a tree is in."""
    for path, names in contents(layout):
        if tree in names:
            yield path


def contents(layout: Layout) -> Iterator[tuple[Path, frozenset[str]]]:
    """Yield each bundle with the names of its trees; none where they are not known."""
    for name in sorted(os.listdir(layout.bundles)) if layout.bundles.is_dir() else ():
        yield layout.bundles / name, frozenset(_names(layout, name))


def discard(layout: Layout, claims: Claims, bundle: Path) -> None:
    """Remove a bundle, at once for whoever looks; whoever needs it makes it again. Raises `OSError`."""
    claims.wait(bundle.name)
    stage = Stage(layout, bundle.name)
    stage.directory.mkdir(mode=0o700)
    with suppress(FileNotFoundError):
        bundle.rename(stage.tree)
    (layout.records / bundle.name).unlink(missing_ok=True)
    stage.discard()


def _runs(directories: Sequence[Path]) -> list[list[Path]]:
    """Return neighbours that are to be one layer; a bundle is by itself."""
    runs: list[list[Path]] = []
    ended = True
    for directory in directories:
        alone = directory.parent.name == "bundles"
        if ended or alone:
            runs.append([])
        runs[-1].append(directory)
        ended = alone or hashlib.sha256(directory.name.encode()).digest()[0] % _RUN == 0
    return runs


def _as_one(layout: Layout, run: Sequence[Path]) -> Path:
    if len(run) == 1:
        return run[0]
    path = _path(layout, run)
    if not path.exists():
        with Claims(layout.claims) as claims:
            claims.wait(path.name)
            if not path.exists():
                _make(layout, run, path)
    return path


def _path(layout: Layout, run: Iterable[Path]) -> Path:
    return layout.bundles / _key(part.name for part in run)


def _key(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:KEY_DIGITS]


def _names(layout: Layout, key: str) -> list[str]:
    """Return the names of a bundle's trees, the first on top; none if they are not written down, or not whole."""
    try:
        names = (layout.records / key).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return names if _key(names) == key else []


def _make(layout: Layout, parts: Sequence[Path], path: Path) -> None:
    stage = Stage(layout, path.name)
    stage.make()
    try:
        _merge([os.fspath(part) for part in parts], os.fspath(stage.tree))
        passed("bundle-linked")
        stage.record.write_text("\n".join(part.name for part in parts), encoding="utf-8")
        stage.record.rename(layout.records / path.name)
        passed("bundle-recorded")
        stage.tree.rename(path)
        passed("bundle-named")
    finally:
        stage.discard()


def _merge(sources: list[str], target: str, *, linked: bool | None = None) -> None:
    """Fill the directory `target` with what the directories `sources` hold, the first on top.

    Args:
        sources: Directories.
        target: Empty.
        linked: Whether its files are links to those of the sources, or copies; None for the root, whose name decides.

    """
    entries: dict[str, list[os.DirEntry[str]]] = {}
    for source in sources:
        with os.scandir(source) as found:
            for entry in found:
                entries.setdefault(entry.name, []).append(entry)
    for name, owners in entries.items():
        inner = f"{target}/{name}"
        of_programs = name in _LINKED if linked is None else linked
        if owners[0].is_dir(follow_symlinks=False):
            os.mkdir(inner, 0o700)  # noqa: PTH102 - tens of thousands of calls
            directories = _directories(owners)
            _merge(directories, inner, linked=of_programs)
            if len(directories) < len(owners):
                _end(inner)
        elif of_programs:
            os.link(owners[0].path, inner, follow_symlinks=False)
        else:
            _copy(owners[0].path, inner)
    _take_attributes(sources[0], target)


def _copy(source: str, target: str) -> None:
    """Copy a file or a link with owner, mode, times and extended attributes."""
    shutil.copyfile(source, target, follow_symlinks=False)
    if os.geteuid() == 0:
        status = os.lstat(source)
        os.lchown(target, status.st_uid, status.st_gid)  # before the mode, which it would take from
    shutil.copystat(source, target, follow_symlinks=False)


def _directories(owners: Sequence[os.DirEntry[str]]) -> list[str]:
    """Return the directories that an overlay would merge: down to the first owner that is something else."""
    directories: list[str] = []
    for owner in owners:
        if not owner.is_dir(follow_symlinks=False):
            break
        directories.append(owner.path)
    return directories


def _end(directory: str) -> None:
    """Have an overlay merge nothing of lower layers into a directory, as there was something else in the way.

    Linux, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
    """
    space = "user" if needs_user_namespace() else "trusted"  # an ordinary user mounts with `userxattr`
    os.setxattr(directory, f"{space}.overlay.opaque", b"y")


def _take_attributes(source: str, target: str) -> None:
    """Give a merged directory the owner, mode and times of its uppermost part."""
    status = os.stat(source)  # noqa: PTH116
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, status.st_mode & 0o7777)  # noqa: PTH101
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
