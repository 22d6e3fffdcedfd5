"""Remove from a hub what no generation of any environment, and no published package, can reach.

    marker ─► leases ─► changes, and what they reach ─► what is neither reached, nor leased, nor young is removed

Guarantees: what any generation reaches is never removed, also while pushes go on and whenever somebody is killed;
where a change, or what it names, is damaged, nothing is removed, as nobody knows what it reached. Only digests are
kept in memory, 32 bytes for each object that is reached. Ages are those of the place's clock.
Counterparts: `leases`, for what holds pushes and collections apart; `reach`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec

from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.errors import BreakbulkError, HubError, NetworkError, NotFoundError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import OBJECTS, PREPARED, object_key
from breakbulk.hub.leases import Collecting, Leases, collecting
from breakbulk.hub.objects import Objects, Stat
from breakbulk.hub.packages import PublishedPackages
from breakbulk.hub.reach import documents, every_archive, prepared_packages
from breakbulk.hub.records import Blob, Change
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.milestones import passed

__all__ = ["GRACE", "HubCollected", "collect_hub"]

GRACE = timedelta(hours=24)
"""Younger objects stay, whoever needs them: pushes that broke off find there what they had sent."""

_BATCH = 500
_POINTER_MAX_BYTES = 4096


class HubCollected(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome.

    Attributes:
        environments: How many were read.
        generations: How many generations they have.
        objects: How many objects were there.
        removed: How many of them were removed, or would be.
        size: Of these, in bytes.
        young: How many stay because they are young, or of a push at work.
        pointers: How many pointers led to what has gone.

    """

    environments: int
    generations: int
    objects: int
    removed: int
    size: int
    young: int
    pointers: int


def collect_hub(
    hub: Hub, settings: Settings, *, grace: timedelta = GRACE, dry_run: bool = False, reporter: Reporter = SILENT
) -> HubCollected:
    """Remove what nothing reaches.

    Args:
        hub: Whose.
        settings: Of this process.
        grace: Objects younger than this stay.
        dry_run: Only count; pushes need not wait.
        reporter: Is told of progress.

    Raises:
        HubError: `collection-running`, `collection-lost`, `lease-unreadable`, `hub-damaged`, and as the backend.
        IntegrityError: `history-broken`, `change-damaged`: nothing has been removed.
        NetworkError: As the backend.

    """
    with collecting(hub.objects) as marker:
        passed("collection-marked")
        leases = marker.leases()
        reached = _Reached(hub, settings, reporter)
        passed("collection-reached")
        found = _Objects(hub.objects, reached.digests, leases, marker, grace, dry_run=dry_run)
        found.go_through(hub.objects.list(OBJECTS))
        pointers = 0 if dry_run else _dangling(hub.objects, found, settings)
        hub.objects.settle()
    return HubCollected(
        environments=reached.environments,
        generations=reached.generations,
        objects=found.seen,
        removed=found.removed,
        size=found.size,
        young=found.young,
        pointers=pointers,
    )


class _Reached:
    """The digests of everything that is reached, read from every change of every environment and package."""

    def __init__(self, hub: Hub, settings: Settings, reporter: Reporter) -> None:
        self._hub = hub
        self._threads = settings.downloads
        self.digests: set[bytes] = set()
        self._read: set[Blob] = set()
        self.generations = 0
        names = sorted(hub.environments())
        self.environments = len(names)
        task = reporter.begin("reading environments", total=len(names))
        for name in names:
            self._environment(name)
            task.advance()
        task.finish()
        self._packages()

    def _environment(self, name: str) -> None:
        changes = [recorded.change for recorded in self._hub.history(name)]
        self.generations += max(change.generations for change in changes)
        for change in changes:
            self._add(reached.blob.sha256 for reached in documents(change))
            self._add(blob.sha256 for blob in change.archives)
        for digests in side_by_side(self._beyond, self._unread(changes), threads=self._threads):
            self._add(digests)

    def _unread(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Yield one change for each lock and list of prepared packages that was not read yet."""
        for change in changes:
            blobs = {change.lock, *change.prepared.values()}
            if not blobs <= self._read:
                self._read |= blobs
                yield change

    def _beyond(self, change: Change) -> list[str]:
        """Return the digests that lock and lists name; what is missing reaches nothing, what is damaged anything."""
        return [*self._archives(change), *self._prepared(change)]

    def _archives(self, change: Change) -> Iterator[str]:
        try:
            yield from (package.sha256 for package in every_archive(self._hub.lock(change)))
        except NotFoundError:
            return
        except NetworkError:
            raise
        except BreakbulkError as error:
            raise _damaged(change, error) from error

    def _prepared(self, change: Change) -> Iterator[str]:
        for system in change.prepared:
            one = msgspec.structs.replace(change, prepared={system: change.prepared[system]})
            try:
                yield from (package.blob.sha256 for _, package in prepared_packages(self._hub, one))
            except NotFoundError:
                continue
            except NetworkError:
                raise
            except BreakbulkError as error:
                raise _damaged(change, error) from error

    def _packages(self) -> None:
        published = PublishedPackages(self._hub.objects)
        for name in published.names():
            for recorded in published.history(name):
                self._add(blob.sha256 for blob in recorded.publication.blobs)

    def _add(self, digests: Iterable[str]) -> None:
        self.digests.update(bytes.fromhex(digest) for digest in digests)


class _Objects:
    """The objects of a hub as they are gone through, and counts of them."""

    def __init__(
        self,
        objects: Objects,
        reached: set[bytes],
        leases: Leases,
        marker: Collecting,
        grace: timedelta,
        *,
        dry_run: bool,
    ) -> None:
        self._objects = objects
        self._reached = reached
        self._leases = leases
        self._marker = marker
        self._grace = grace
        self._dry_run = dry_run
        self.seen = self.removed = self.size = self.young = 0

    def go_through(self, stats: Iterable[Stat]) -> None:
        """Remove what may go, in batches, each after a look whether we still may."""
        going = (stat for stat in stats if self._may_go(stat))
        while batch := list(itertools.islice(going, _BATCH)):
            if not self._dry_run:
                self._marker.check()
                self._objects.delete([stat.key for stat in batch])
                passed("collection-batch-removed")
            self.removed += len(batch)
            self.size += sum(stat.size for stat in batch)

    def _may_go(self, stat: Stat) -> bool:
        digest = _digest(stat.key)
        if digest is None:
            return False  # not ours
        self.seen += 1
        if digest in self._reached:
            return False
        if self._leases.spare(stat) or self._marker.begun - stat.modified < self._grace:
            self.young += 1
            return False
        return True


def _dangling(objects: Objects, found: _Objects, settings: Settings) -> int:
    """Remove pointers whose object has gone; return how many."""
    if not found.removed:
        return 0

    def leads_nowhere(stat: Stat) -> bool:
        try:
            blob = msgspec.json.decode(objects.get(stat.key, limit_bytes=_POINTER_MAX_BYTES), type=Blob)
        except NotFoundError:
            return False
        except msgspec.MsgspecError:
            return True
        return objects.stat(object_key(blob.sha256)) is None

    stats = list(objects.list(PREPARED))
    gone = side_by_side(leads_nowhere, stats, threads=settings.downloads)
    keys = [stat.key for stat, one in zip(stats, gone, strict=True) if one]
    objects.delete(keys)
    return len(keys)


def _digest(key: str) -> bytes | None:
    """Return the digest that an object's key is, None for a key that is none."""
    name = key.rpartition("/")[2]
    try:
        return bytes.fromhex(name) if key == object_key(name) else None
    except (BreakbulkError, ValueError):
        return None


def _damaged(change: Change, error: BreakbulkError) -> HubError:
    return HubError(
        "nobody knows what a damaged generation needs, so nothing is removed",
        identifier="hub-damaged",
        where=f"{change.environment}:{change.generation}, {error.where}",
        why=error.message,
        hint="`breakbulk hub check` tells what is damaged; push the environment again, or mirror it",
    )
