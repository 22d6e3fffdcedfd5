"""Remove from a store what nobody needs: neither a lock in use, nor a pin, nor whoever runs.

    alone: roots ─► needed      in sight: trees, bundles, compositions, archives ─► out of sight (one rename each)
    then:  is one of those mounted after all? ─► back; else removed

Guarantees: what a root needs is never touched, and where a root or a mount cannot be read, nothing is; a tree is there
whole or not at all, whenever we are killed, as it is taken out of sight by one rename, under its claim, to where the
next realisation removes what the dead have left; whoever started from it just before has it mounted by then, and gets
it back. Counterparts: `roots`, `mounted`, `using`.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.lock.model import Lock, LockedSystem, Package
from breakbulk.lock.variants import LEVELS, chosen_of, every_variant
from breakbulk.manifest.reading import from_builtins
from breakbulk.reporting import SILENT, Reporter
from breakbulk.store.base.naming import base_name, relevant
from breakbulk.store.bundle import contents
from breakbulk.store.claims import Claims
from breakbulk.store.layout import KEY_DIGITS, Layout, directory_name, plain_name
from breakbulk.store.milestones import passed
from breakbulk.store.mounted import Mounted, mounted, with_trees
from breakbulk.store.removal import remove_tree
from breakbulk.store.roots import Root, read_roots
from breakbulk.store.staging import Stage, sweep
from breakbulk.store.using import alone

__all__ = ["HISTORY", "Collected", "Removed", "collect", "needed", "why_kept"]

HISTORY = 3
"""How many of the digests that were run last are kept of each environment of a hub."""

_ARCHIVE_GRACE_S = 86_400  # made while locking, before any lock names them
_SETTLE_S = 1.0  # between looking up a tree's path and attaching the mount, in whoever starts


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was removed, or would be: what it is, its name there, its size in bytes, and when it was made."""

    name: str
    directory: str
    size: int
    used: datetime


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome.

    Attributes:
        removed: Trees, bundles, and archives of own sources.
        kept: How many trees stay.
        in_use: Trees that no lock needs, and that are mounted.
        roots_dropped: Names of roots that have gone, or that history has left behind.
        faults: Why nothing was removed: roots that cannot be read, mounts that do not tell.

    """

    removed: tuple[Removed, ...] = ()
    kept: int = 0
    in_use: tuple[str, ...] = ()
    roots_dropped: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes, in sum."""
        return sum(removed.size for removed in self.removed)


def collect(
    layout: Layout,
    *,
    history: int = HISTORY,
    free_bytes: int | None = None,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
    look: Callable[[], Mounted] = mounted,
    pause: Callable[[float], object] = time.sleep,
) -> Collected:
    """Remove what nobody needs.

    Args:
        layout: The store.
        history: How many digests to keep of each environment of a hub.
        free_bytes: Remove no more than it takes to free so many, what was used longest ago first; None for all.
        dry_run: Only say what would be removed.
        reporter: Is told of progress.
        look: Says what is mounted.
        pause: Waits the seconds it is given.

    Raises:
        OSError: The store cannot be written.

    """
    if not layout.packages.is_dir():
        return Collected()
    with Claims(layout.claims) as claims:
        with alone(layout, reporter):
            planned, found = _plan(layout, history, free_bytes, with_trees(look(), layout))
            if dry_run or found is None:
                return planned.collected
            sweep(layout, claims)
            hidden = [hidden for _, path in planned.paths if (hidden := _hide(layout, claims, path))]
            found.forget()
            for root in planned.dropped:
                root.path.unlink(missing_ok=True)
        if not hidden:
            return planned.collected
        pause(_SETTLE_S)
        return _remove(layout, planned.collected, hidden, look(), reporter)


def why_kept(layout: Layout, word: str, look: Callable[[], Mounted] = mounted) -> dict[str, list[str]]:
    """Return why each tree stays whose directory has `word` in its name; an empty list where nothing needs it."""
    names = sorted(name for name in os.listdir(layout.packages) if word in name[KEY_DIGITS:] or name.startswith(word))
    reasons: dict[str, list[str]] = {name: [] for name in names}
    for root in read_roots(layout):
        wanted = needed(root.lock) if root.lock else frozenset()
        for name in names:
            if plain_name(name) in wanted or root.fault:
                reasons[name].append(f"{root.kind} {root.name}" + (" cannot be read" if root.fault else ""))
    seen = with_trees(look(), layout)
    for name in names:
        reasons[name] += ["it is mounted"] if seen.has(name) else []
        reasons[name] += ["something is mounted that does not tell its packages"] if seen.unknown else []
    return reasons


class _Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What is going to be done."""

    collected: Collected
    paths: list[tuple[Removed, Path]] = []
    dropped: list[Root] = []


class _Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """Something out of sight: where it was, where it is now, and the directory in `staging` that holds it."""

    path: Path
    now: Path
    stage: Path


class _Garbage:
    """What is in a store and nobody needs, held against the roots."""

    def __init__(self, layout: Layout, roots: list[Root], seen: Mounted) -> None:
        self._layout = layout
        self._seen = seen
        locks = [root.lock for root in roots if root.lock]
        self._needed_together = [needed(lock) for lock in locks]
        self._needed = frozenset(itertools.chain.from_iterable(self._needed_together))
        self._archives = frozenset(
            each.sha256 for lock in locks for system in lock.systems.values() for each in _all(system)
        )
        self.in_use = tuple(
            sorted(name for name in os.listdir(layout.packages) if not self._needs(name) and seen.has(name))
        )

    def _needs(self, name: str) -> bool:
        """Tell whether a lock needs a tree; of trees that somebody vouches for, it does not say whom it believes."""
        return plain_name(name) in self._needed

    def removable(self) -> list[tuple[Removed, Path]]:
        """Return what may go, what was made longest ago first."""
        found = [*self._trees(), *self._bundles(), *self._old_archives()]
        return sorted(found, key=lambda each: (each[0].used, each[0].name))

    def forget(self) -> None:
        """Remove what is known of packages, and of sets of packages, that are not there any more; small files."""
        present = {*os.listdir(self._layout.packages), *os.listdir(self._layout.bundles)}
        for path in self._layout.records.iterdir():
            if path.name not in present and not _is_staged(self._layout, path.name):
                path.unlink(missing_ok=True)
        for path in self._layout.compositions.iterdir():
            with suppress(FileNotFoundError):
                if not present.issuperset(path.read_text(encoding="utf-8").splitlines()):
                    path.unlink()

    def _trees(self) -> Iterator[tuple[Removed, Path]]:
        for name in os.listdir(self._layout.packages):
            if not self._needs(name) and not self._seen.has(name):
                yield _tree(self._layout, name), self._layout.packages / name

    def _bundles(self) -> Iterator[tuple[Removed, Path]]:
        for path, trees in contents(self._layout):
            plain = {plain_name(tree) for tree in trees}
            wanted = plain and any(plain <= together for together in self._needed_together)
            if not wanted and not self._seen.has(path.name):
                yield Removed(name=f"bundle {path.name}", directory=path.name, size=0, used=_changed(path)), path

    def _old_archives(self) -> Iterator[tuple[Removed, Path]]:
        for path in self._layout.archives.iterdir():
            status = path.stat()
            if path.name not in self._archives and time.time() - status.st_mtime > _ARCHIVE_GRACE_S and path.is_file():
                yield (
                    Removed(
                        name=f"archive {path.name[:16]}", directory=path.name, size=status.st_size, used=_changed(path)
                    ),
                    path,
                )


def _plan(layout: Layout, history: int, free_bytes: int | None, seen: Mounted) -> tuple[_Planned, _Garbage | None]:
    """Return what is to be removed; nothing, where it cannot be known what is needed."""
    roots, dropped = _by_history(list(read_roots(layout)), history)
    trees = len(os.listdir(layout.packages))
    if faults := (*_faults(roots), *_mount_faults(seen)):
        return _Planned(collected=Collected(kept=trees, faults=faults)), None
    found = _Garbage(layout, roots, seen)
    chosen = _as_much_as(found.removable(), free_bytes)
    collected = Collected(
        removed=tuple(removed for removed, _ in chosen),
        kept=trees - sum(path.parent == layout.packages for _, path in chosen),
        in_use=found.in_use,
        roots_dropped=tuple(root.name for root in dropped),
    )
    return _Planned(collected=collected, paths=chosen, dropped=dropped), found


def _by_history(roots: list[Root], history: int) -> tuple[list[Root], list[Root]]:
    """Return the roots that count, and those that do not any more."""
    dropped = [root for root in roots if root.gone]
    environments = sorted((root for root in roots if root.kind == "environment"), key=lambda root: root.path.parent)
    for _, group in itertools.groupby(environments, key=lambda root: root.path.parent):
        dropped += sorted(group, key=lambda root: root.used, reverse=True)[history:]
    paths = {root.path for root in dropped}
    return [root for root in roots if root.path not in paths], dropped


def _faults(roots: Iterable[Root]) -> Iterator[str]:
    return (f"{root.kind} {root.name}: {root.fault}" for root in roots if root.fault)


def _mount_faults(seen: Mounted) -> Iterator[str]:
    if seen.unknown:
        yield "something is running whose mount does not tell its packages (Linux before 6.8): try again when it ended"


def needed(lock: Lock) -> frozenset[str]:
    """Return the plain names of all trees that a lock may need, on machines of any system, whoever vouches for them."""
    names: set[str] = set()
    locales = from_builtins(lock.manifest).options.locales or ()
    for system in lock.systems.values():
        names.update(directory_name(package) for package in _all(system))
        for level in LEVELS:
            with suppress(BreakbulkError):  # no machine of this level runs it
                relevant_ones = relevant(chosen_of(system, level))
                names.update(base_name(relevant_ones, locales, owners=owners) for owners in (True, False))
            if all(package.cpu is None for package in system.packages):
                break
    return frozenset(names)


def _all(system: LockedSystem) -> Iterator[Package]:
    for package in system.packages:
        yield from every_variant(package)


def _is_staged(layout: Layout, name: str) -> bool:
    """Tell whether a tree is out of sight and may come back."""
    return any(path.name.startswith(f"{name}.") for path in layout.staging.iterdir())


def _as_much_as(found: list[tuple[Removed, Path]], free_bytes: int | None) -> list[tuple[Removed, Path]]:
    if free_bytes is None:
        return found
    chosen, freed = [], 0
    for removed, path in found:
        if freed >= free_bytes:
            break
        chosen.append((removed, path))
        freed += removed.size
    return chosen


def _hide(layout: Layout, claims: Claims, path: Path) -> _Hidden | None:
    """Take something out of sight with one rename, under its claim; None when somebody else has that."""
    key = path.name[:KEY_DIGITS]
    if not claims.attempt(key):
        return None
    stage = Stage(layout, path.name)
    stage.directory.mkdir(mode=0o700)
    passed("collection-staged")
    path.rename(stage.tree)
    passed("collection-hidden")
    return _Hidden(path=path, now=stage.tree, stage=stage.directory)


def _remove(
    layout: Layout, collected: Collected, hidden: list[_Hidden], seen: Mounted, reporter: Reporter
) -> Collected:
    """Remove what is out of sight; bring back what somebody has mounted just before it was."""
    task = reporter.begin("removing", total=len(hidden))
    back = [each for each in hidden if seen.unknown or seen.has(each.path.name)]
    for each in back:
        each.now.rename(each.path)
    for each in hidden:
        remove_tree(each.stage)
        passed("collection-removed")
        if each not in back:
            (layout.records / each.path.name).unlink(missing_ok=True)
        task.advance()
    task.finish()
    names = {each.path.name for each in back}
    removed = tuple(each for each in collected.removed if each.directory not in names)
    return msgspec.structs.replace(
        collected,
        removed=removed,
        kept=collected.kept + sum(each.path.parent == layout.packages for each in back),
        in_use=tuple(sorted({*collected.in_use, *names})),
    )


def _tree(layout: Layout, name: str) -> Removed:
    """Return what is known of a tree without reading all of its listing."""
    path = layout.records / name
    try:
        size = msgspec.msgpack.decode(path.read_bytes(), type=_Size).size
        used = _changed(path)
    except (OSError, msgspec.DecodeError):
        size, used = 0, _changed(layout.packages / name)
    return Removed(name=name.partition("-")[2], directory=name, size=size, used=used)


class _Size(msgspec.Struct):
    size: int


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
