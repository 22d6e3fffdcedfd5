"""An environment: a directory with a manifest, its lock beside it, and the settings of this process.

Locking keeps what need not move; launching realises what is missing first. The parts that do the work are imported by
the methods that need them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from breakbulk.environment.specification import STATE_DIRECTORY, current_directory
from breakbulk.errors import LockError, NotFoundError
from breakbulk.library.runnable import Runnable, running_system
from breakbulk.library.upstream import read_upstream
from breakbulk.lock.files import LOCK_FILE, read_lock, write_lock
from breakbulk.lock.model import Lock, LockedInclude, Package
from breakbulk.manifest.composition import Composed, compose
from breakbulk.manifest.reading import find_manifest, to_builtins
from breakbulk.manifest.schema import Manifest, PathInstall, PypiInstall
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.ecosystems.interface import WheelBuilder
    from breakbulk.ecosystems.resolving import Resolved
    from breakbulk.library.catalogue import HubCatalogue
    from breakbulk.library.including import Includes
    from breakbulk.library.keeping import Kept
    from breakbulk.lock.differences import Difference
    from breakbulk.store.prepared import PreparedSource
    from breakbulk.store.realise import Realised

__all__ = ["Environment", "Locked", "running_system"]


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of locking: the lock, whether the file changed, what differs on this system, and notes."""

    lock: Lock
    changed: bool
    difference: Difference
    notes: tuple[str, ...] = ()


class Environment(Runnable):
    """An environment in a directory.

    Args:
        manifest_path: The manifest.
        settings: Of this process.
        reporter: Who is told of progress.
        frozen: Never lock: an absent or outdated lock is an error (`--locked`).
        text: What the manifest is taken to hold, None for what is in the file.
        moving: Included environments of a hub that are taken as they are now, whatever the lock says of them.

    """

    def __init__(
        self,
        manifest_path: Path,
        settings: Settings,
        reporter: Reporter = SILENT,
        *,
        frozen: bool = False,
        text: str | None = None,
        moving: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(settings, reporter)
        self.manifest_path = manifest_path
        self.frozen = frozen
        self._text = text
        self._moving = moving

    @classmethod
    def open(
        cls,
        directory: Path | str = ".",
        settings: Settings | None = None,
        reporter: Reporter = SILENT,
        *,
        frozen: bool = False,
    ) -> Environment:
        """Find the manifest of `directory` or of the nearest directory above it.

        Raises:
            NotFoundError: `directory-missing`; `manifest-not-found`.
            UsageError: The current directory has been removed.

        """
        start = current_directory() / directory
        if not start.is_dir():
            raise _missing(start)
        found = find_manifest(start)
        return cls(found, settings or Settings.load(os.environ), reporter, frozen=frozen)

    def with_text(self, text: str) -> Environment:
        """Return the environment as it would be if the manifest held `text`; nothing is written.

        `relock(write=False)` tells whether it can be locked, so that manifest and lock change together or not at all.
        """
        return Environment(self.manifest_path, self.settings, self.reporter, frozen=self.frozen, text=text)

    @property
    def place(self) -> str:
        """The path of the manifest."""
        return str(self.manifest_path)

    @property
    def name(self) -> str:
        """The name of the directory."""
        return self.directory.resolve().name

    @property
    def state(self) -> Path:
        """A directory of ours in the project."""
        return self.directory.resolve() / STATE_DIRECTORY

    @property
    def directory(self) -> Path:
        """The project: where the manifest is (for a Flox environment the directory that holds `.flox`)."""
        parent = self.manifest_path.parent
        return parent.parent.parent if parent.parts[-2:] == (".flox", "env") else parent

    @property
    def lock_path(self) -> Path:
        """Where the lock is, or will be."""
        return self.directory / LOCK_FILE

    @cached_property
    def composed(self) -> Composed:
        """The manifest with its includes, and where each key comes from."""
        return compose(self.manifest_path, text=self._text, resolve=self._includes)

    @cached_property
    def _includes(self) -> Includes:
        """What the lock says of included environments of a hub."""
        from breakbulk.library.including import Includes

        return Includes(self.settings, self.reporter, self._locked_includes, self._moving)

    @property
    def _locked_includes(self) -> dict[str, LockedInclude]:
        try:
            previous = read_lock(self.lock_path, edited=True)
        except LockError:
            return {}
        return previous.includes if previous else {}

    def _kept(self, lock: Lock | None) -> tuple[Kept, ...]:
        """Return the sources that are not here; where all are, next to nothing is imported."""
        upstream = read_upstream(self.directory)
        if not (self._includes.resolved or (upstream and upstream.absent)):
            return ()
        from breakbulk.library.keeping import kept_sources

        return kept_sources(self.composed, self._includes, upstream, lock)

    @property
    def manifest(self) -> Manifest:
        """The composed manifest."""
        return self.composed.manifest

    def read_lock(self) -> Lock | None:
        """Return the lock as it is in the file, None when there is none; raise `LockError` for a damaged one."""
        return read_lock(self.lock_path)

    def outdated(self, lock: Lock | None) -> str | None:
        """Return why `lock` no longer says what the manifest asks for, None when it does. Needs no network."""
        if lock is None:
            return "there is no lock"
        if lock.manifest != to_builtins(self.manifest):
            return "the manifest has changed"
        if any(lock.includes.get(name) != found for name, found in self._includes.resolved.items()):
            return "an included environment has moved"
        if lock.inputs and self._input_digests() != lock.inputs:
            return "a constraints file has changed"
        if self._has_own_source and (changed := self._changed_source(lock)):
            return f"the source of {changed} has changed"
        return None

    def _changed_source(self, lock: Lock) -> str | None:
        from breakbulk.ecosystems.source import changed_source

        kept = [each.install for each in self._kept(lock)]
        manifest = self.manifest
        if kept:
            from breakbulk.library.keeping import without_sources_elsewhere

            manifest = without_sources_elsewhere(manifest, kept)
        return changed_source(lock, manifest, self.directory, self.settings)

    def relock(self, *, upgrade: frozenset[str] | None = None, write: bool = True) -> Locked:
        """Make the lock say what the manifest asks for; without `upgrade` nothing moves that need not.

        Args:
            upgrade: Names to move to their newest, of packages or of included environments; empty moves everything.
            write: False only tells what would change.

        Raises:
            ResolutionError: Nothing satisfies the manifest.
            ConflictError: Two packages own one path.

        """
        from breakbulk.lock.differences import compare
        from breakbulk.lock.licences import refuse_licences

        system = running_system()
        if moving := self._moved_by(upgrade):
            return self._moved(moving).relock(upgrade=_without(upgrade, moving), write=write)
        previous = read_lock(self.lock_path, edited=True)
        if upgrade is None and previous is not None and self._trusted(previous) and self.outdated(previous) is None:
            return Locked(lock=previous, changed=False, difference=compare(previous, previous, system))
        resolved = self._resolved(previous, upgrade)
        refuse_licences(resolved.lock, self.manifest.options.allow)
        if not resolved.refreshed or not self._same_paths(previous, resolved.lock):
            self._refuse_conflicts(resolved.lock)
        changed = write_lock(self.lock_path, resolved.lock) if write else previous != resolved.lock
        return Locked(
            lock=resolved.lock,
            changed=changed,
            difference=compare(previous, resolved.lock, system),
            notes=resolved.notes,
        )

    def _resolved(self, previous: Lock | None, upgrade: frozenset[str] | None) -> Resolved:
        """Resolve what has to be: own sources alone where nothing else has changed."""
        from breakbulk.ecosystems import resolving

        where = (self.manifest, self.directory, self.settings)
        kept = self._brought(previous)
        if previous is not None and upgrade is None and self._trusted(previous) and self._asks_the_same(previous):
            refreshed = resolving.refresh(*where, previous=previous, kept=kept, reporter=self.reporter)
            if refreshed is not None:
                return self._with_includes(refreshed)
        return self._with_includes(
            resolving.resolve(
                *where,
                previous=previous,
                upgrade=upgrade,
                kept=kept,
                catalogue=self._catalogue,
                builder=self._builder(),
                reporter=self.reporter,
            )
        )

    def _brought(self, previous: Lock | None) -> dict[str, dict[str, Package]]:
        """Return the packages that kept sources stay, by install id and system; their archives are here afterwards."""
        kept = self._kept(previous)
        if kept:
            from breakbulk.library.keeping import bring

            bring(kept, self.settings, self.reporter)
        return {each.install: each.packages for each in kept}

    def _with_includes(self, resolved: Resolved) -> Resolved:
        lock = msgspec.structs.replace(resolved.lock, includes=dict(sorted(self._includes.resolved.items())))
        return msgspec.structs.replace(resolved, lock=lock)

    def _moved_by(self, upgrade: frozenset[str] | None) -> frozenset[str]:
        """Return the included environments that an upgrade moves and that have not been moved yet."""
        if upgrade is None or not self._locked_includes:
            return frozenset()
        from breakbulk.library.including import moved_by

        return moved_by(upgrade, self._locked_includes) - self._moving

    def _moved(self, moving: frozenset[str]) -> Environment:
        return Environment(
            self.manifest_path, self.settings, self.reporter, frozen=self.frozen, text=self._text, moving=moving
        )

    def _asks_the_same(self, lock: Lock) -> bool:
        """Whether manifest and constraints are those of `lock`."""
        return lock.manifest == to_builtins(self.manifest) and (not lock.inputs or self._input_digests() == lock.inputs)

    def current_lock(self) -> Lock:
        """Return a lock that says what the manifest asks for, locking where it does not.

        Raises:
            LockError: `lock-outdated`, when the environment was opened `frozen`.

        """
        lock = self.read_lock()
        reason = self.outdated(lock)
        if reason is None and lock is not None:
            return lock
        if self.frozen:
            raise LockError(
                "the lock does not say what the manifest asks for",
                identifier="lock-outdated",
                where=str(self.lock_path),
                why=reason,
                hint="run `breakbulk lock` and commit breakbulk.lock",
            )
        self.reporter.note(f"locking, as {reason}")
        locked = self.relock()
        for note in locked.notes:
            self.reporter.note(note)
        return locked.lock

    def realise(self) -> Realised:
        """Make every package of this machine's system present in the store, and the base package with them.

        The lock is kept from collection of the store for as long as it is there.
        """
        from breakbulk.store.layout import Layout
        from breakbulk.store.roots import remember_project

        lock = self.current_lock()
        with suppress(OSError):  # a store that somebody else keeps: whoever keeps it decides
            remember_project(Layout(self.settings.store), self.lock_path)
        return self._realise(lock)

    def _builder(self) -> WheelBuilder | None:
        """Return who builds distributions without wheels; None where there are none, as little needs it."""
        if not any(isinstance(each, PypiInstall) and each.build for each in self.manifest.install.values()):
            return None
        from breakbulk.builds.sdists import WheelBuilds

        return WheelBuilds(self.directory, self.settings, self.reporter)

    @cached_property
    def _catalogue(self) -> HubCatalogue:
        """The packages of the hub; it is opened when something asks."""
        from breakbulk.library.catalogue import HubCatalogue

        return HubCatalogue(self.settings)

    def _realise(self, lock: Lock) -> Realised:
        from breakbulk.ecosystems.registry import with_catalogue
        from breakbulk.store.realise import realise_system

        manifest = self.manifest
        if self._has_own_source:
            from breakbulk.ecosystems.source import anchored

            manifest = anchored(manifest, self.directory)
        if kept := self._kept(lock):
            from breakbulk.library.keeping import without_sources_elsewhere

            manifest = without_sources_elsewhere(manifest, [each.install for each in kept])
        return realise_system(
            self._locked_system(lock),
            manifest,
            with_catalogue(self._catalogue),
            self.settings,
            self.reporter,
            prepared=self._offered(lock),
        )

    def _offered(self, lock: Lock) -> PreparedSource | None:
        """Return what a hub has of this environment, None when it has nothing to do with one."""
        upstream = read_upstream(self.directory)
        if upstream is None and not lock.includes:
            return None
        from breakbulk.library.offering import UpstreamPackages, included_archives

        if upstream is None:
            return included_archives(self.settings)
        return UpstreamPackages(upstream, self.settings, self.reporter)

    def _about_to_launch(self, realised: Realised) -> None:
        """Let the next launch of an unchanged environment take the short way."""
        from breakbulk.environment.plans import remember

        manifest = self.manifest
        if manifest.services_auto_start:
            return
        constraints = (self.directory / name for name in manifest.options.constraints or ())
        sources = (self.directory / each.path for each in manifest.install.values() if isinstance(each, PathInstall))
        read = (*self.composed.inputs, self.lock_path, *constraints)
        environment = self.settings.environment
        remember(self.directory, manifest, realised.lowers, read=read, trees=sources, environment=environment)

    @property
    def _has_own_source(self) -> bool:
        """Whether a directory of the user's is installed; if not, nothing about sources need be imported."""
        return any(isinstance(install, PathInstall) for install in self.manifest.install.values())

    def _trusted(self, lock: Lock) -> bool:
        try:
            return self.read_lock() == lock
        except LockError:
            return False

    def _input_digests(self) -> dict[str, str]:
        from breakbulk.ecosystems.resolving import input_digests

        return input_digests(self.manifest.options, self.directory)

    def _same_paths(self, previous: Lock | None, lock: Lock) -> bool:
        """Whether own sources have the files they had: other content alone makes no new owner of a path."""
        from breakbulk.ecosystems.listings import same_paths

        return previous is not None and same_paths(previous, lock, self.settings)

    def _refuse_conflicts(self, lock: Lock) -> None:
        """Raise `ConflictError` when two packages of one system own one path, as far as their content is known."""
        from breakbulk.ecosystems.listings import listings
        from breakbulk.ecosystems.source import anchored
        from breakbulk.store.composition import check_conflicts
        from breakbulk.store.layout import Layout

        installs = anchored(self.manifest, self.directory).install
        for locked in lock.systems.values():
            known = listings(locked.packages, installs, self.settings, self.reporter)
            check_conflicts(Layout(self.settings.store), locked.packages, known)


def _without(upgrade: frozenset[str] | None, moving: frozenset[str]) -> frozenset[str] | None:
    """Return what of an upgrade is left for packages; None, as empty means all, when it named environments only."""
    if not upgrade:
        return upgrade
    environments = moving | {name.partition(":")[0] for name in moving}
    return (upgrade - environments) or None


def _missing(directory: Path) -> NotFoundError:
    return NotFoundError(
        f"there is no directory {directory}",
        identifier="directory-missing",
        where=str(directory),
        hint="correct it; an environment on a hub is written OWNER/NAME, in lowercase letters",
    )
