"""Copy environments from one hub to another: histories byte for byte, so that their signatures stay what they are.

    histories ─► objects, compared with their digests on the way ─► changes, oldest first ─► what is derived

The packages that were published on the hub and that the environments need come with their whole history, so that they
can be locked there too. Of generations whose prepared packages are not copied the target is told so (`elsewhere`).

Guarantees: a change is recorded only when what it needs is there; nothing that is there is sent again, so a mirror that
was killed goes on where it ended; a history that is another one there is left alone (`mirror-diverged`). With
`archives`, every archive that the locks name comes along, and from then on no index is needed to realise.

Counterparts: `reach`, which says what is copied; `copied_objects`, `copied_log`; `leases`, which holds off the
collection over there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from breakbulk.ecosystems.interface import Ecosystem
from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NetworkError, NotFoundError
from breakbulk.hub import index
from breakbulk.hub.copied_log import CopiedLog, Kept
from breakbulk.hub.copied_objects import CopiedObjects, Item, archive_item, distinct, object_item
from breakbulk.hub.format import check_format, ensure_format
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import (
    KEYS,
    changes_prefix,
    digest_key,
    elsewhere_prefix,
    object_key,
    prepared_key,
    publications_prefix,
)
from breakbulk.hub.leases import pushing
from breakbulk.hub.log import Log
from breakbulk.hub.names import Reference
from breakbulk.hub.packages import PublishedPackages, RecordedPublication
from breakbulk.hub.reach import (
    Reached,
    documents,
    every_archive,
    mirrored,
    own_archives,
    prepared_packages,
    published_for,
    published_in,
)
from breakbulk.hub.records import Change, PreparedPackage, Recorded
from breakbulk.lock.model import Lock
from breakbulk.manifest.reading import from_builtins
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.faults import store_fault
from breakbulk.store.transfers import Transfers

__all__ = ["Mirrored", "mirror"]

_RECORD_MAX_BYTES = 8 << 20

_Published = tuple[CopiedLog, tuple[RecordedPublication, ...]]


class Mirrored(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one environment.

    Attributes:
        environment: `owner/name`.
        changes: How many changes the target has of it now.
        new_changes: How many of them were brought.
        generations: The generations whose packages were copied.
        packages: The published packages that these need, whose histories are there now.
        objects: How many objects all of this needs.
        objects_sent, bytes_sent: Of them, what the target lacked.

    """

    environment: str
    changes: int
    new_changes: int
    generations: tuple[int, ...]
    packages: tuple[str, ...]
    objects: int
    objects_sent: int
    bytes_sent: int


def mirror(
    source: Hub,
    target: Hub,
    references: Iterable[Reference],
    settings: Settings,
    ecosystems: Mapping[str, Ecosystem],
    *,
    archives: bool = False,
    all_generations: bool = False,
    reporter: Reporter = SILENT,
) -> tuple[Mirrored, ...]:
    """Copy each of `references` from `source` to `target`.

    A history is copied whole, with what describes each generation; packages are copied of the generation that is meant,
    or of all.

    Args:
        source: Where from.
        target: Where to.
        references: Environments, or generations of them.
        settings: Of this process; they say where the user's indices are.
        ecosystems: By name, for archives.
        archives: Bring the archive of every package of every system too, from the source or the user's indices.
        all_generations: Copy the packages of all generations.
        reporter: Is told of objects.

    Raises:
        NotFoundError: `environment-unknown`, `generation-unknown`.
        IntegrityError: The source's history is broken, or an object of it is damaged.
        HubError: `mirror-diverged`; `hub-requires-signatures`; and as the backends.
        NetworkError: As the backends and indices.

    """
    if source.url == target.url:
        raise _same(source.url)
    check_format(source.objects)
    ensure_format(target.objects)
    transfers = Transfers(settings)
    try:
        with scratch(settings.cache / "mirror") as place:
            objects = CopiedObjects(
                source.objects,
                target.objects,
                settings,
                ecosystems=ecosystems,
                transfers=transfers,
                place=place,
                reporter=reporter,
            )
            copying = _Mirroring(source, target, objects, settings, reporter)
            copying.key_statements()
            return tuple(
                copying.environment(reference, archives=archives, all_generations=all_generations)
                for reference in references
            )
    except OSError as error:
        raise store_fault(error, settings.cache, variable="BREAKBULK_CACHE") from error
    finally:
        transfers.close()


class _Mirroring:
    """One mirror at work."""

    def __init__(
        self, source: Hub, target: Hub, objects: CopiedObjects, settings: Settings, reporter: Reporter
    ) -> None:
        self._source = source
        self._target = target
        self._objects = objects
        self._threads = settings.downloads
        self._reporter = reporter

    def key_statements(self) -> None:
        """Bring what owners said of their keys: a revocation that is withheld protects nobody."""
        for stat in self._source.objects.list(KEYS):
            if self._target.objects.stat(stat.key) is None:
                self._target.objects.create(stat.key, self._source.objects.get(stat.key, limit_bytes=_RECORD_MAX_BYTES))

    def environment(self, reference: Reference, *, archives: bool, all_generations: bool) -> Mirrored:
        """Copy one environment."""
        name = reference.environment
        meant = self._source.resolve(reference).change
        history = self._source.history(name)
        changes = self._copied(changes_prefix(name), name, history)
        chosen = [found.change for found in history if found.change.kind == "push"] if all_generations else [meant]
        locks = {change.generation: self._source.lock(change) for change in chosen}
        published = self._published(itertools.chain.from_iterable(map(published_in, locks.values())))
        described = (*self._described(history), *self._published_archives(published))
        items = distinct((*described, *self._packages(chosen, locks, archives=archives)))
        with pushing(self._target.objects, map(object_key, items), self._reporter) as lease:
            sent = self._objects.copy(items.values())
            lease.check()
            for log, _ in published.values():
                log.record()
            self._tell_elsewhere(name, history[changes.there :], chosen)
            changes.record()
        self._derive(history, chosen)
        return Mirrored(
            environment=name,
            changes=changes.length,
            new_changes=changes.new,
            generations=tuple(sorted({change.generation for change in chosen})),
            packages=tuple(sorted(published)),
            objects=len(items),
            objects_sent=sent.count,
            bytes_sent=sent.bytes,
        )

    def _copied(self, prefix: str, name: str, entries: Sequence[Kept]) -> CopiedLog:
        return CopiedLog(self._source.objects, self._target.objects, prefix, name, entries)

    def _published(self, names: Iterable[str]) -> dict[str, _Published]:
        """Return the histories of packages, and of those that any of their releases needs, by name.

        What the source does not know, or the target knows otherwise, stays: environments run without.
        """
        packages, found = PublishedPackages(self._source.objects), dict[str, _Published]()
        waiting, seen = sorted(set(names)), set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            try:
                history = packages.history(name)
                found[name] = self._copied(publications_prefix(name), f"the package {name}", history), history
            except NotFoundError:
                continue
            except HubError as error:
                if error.reference != "mirror-diverged":
                    raise
                self._reporter.note(f"{error.message}: it is left as it is")
                continue
            waiting += (need for each in history for need in published_for(each.publication.release))
        return found

    def _published_archives(self, published: Mapping[str, _Published]) -> Iterator[Item]:
        for name, (_, history) in published.items():
            for recorded in history:
                for blob in recorded.publication.blobs:
                    what = f"the archive {blob.sha256[:16]} of {name} {recorded.publication.release.version}"
                    yield self._item(Reached(blob=blob, what=what))

    def _tell_elsewhere(self, name: str, new: Iterable[Recorded], chosen: Iterable[Change]) -> None:
        """Write down of which generations no packages come, before there is a change that seems to lack them."""
        left = Log(self._target.objects, elsewhere_prefix(name), name)
        brought = {change.generation for change in chosen}
        for change in (recorded.change for recorded in new):
            if change.kind == "push" and change.generation not in brought:
                left.create(change.generation, b"")
        self._target.objects.delete([left.key(number) for number in left.numbers() if number in brought])

    def _described(self, history: Iterable[Recorded]) -> Iterator[Item]:
        """Yield what changes name themselves; what only lists and locks name is not needed to record them."""
        for recorded in history:
            yield from (self._item(reached) for reached in documents(recorded.change))
            yield from (self._item(reached) for reached in own_archives(recorded.change))

    def _packages(self, changes: Iterable[Change], locks: Mapping[int, Lock], *, archives: bool) -> Iterator[Item]:
        for change in changes:
            lock = locks[change.generation]
            yield from (self._item(reached) for reached in mirrored(self._source, change, lock))
            if archives:
                installs = from_builtins(lock.manifest).install
                yield from (archive_item(package, installs) for package in every_archive(lock))

    def _item(self, reached: Reached) -> Item:
        return object_item(self._source.objects, reached)

    def _derive(self, history: tuple[Recorded, ...], chosen: Iterable[Change]) -> None:
        """Write what is found more quickly by it; everything is there without."""
        objects = self._target.objects
        with suppress(NetworkError, HubError, IntegrityError):
            for recorded in history:
                change = recorded.change
                if change.kind == "push":
                    objects.create(digest_key(change.environment, change.digest), str(change.number).encode())
            newest = history[-1]
            index.record(objects, newest.change.summary(signed=bool(newest.envelope.signatures)))
            pointers = {
                prepared_key(name, package.tree): package
                for change in chosen
                for name, package in prepared_packages(self._source, change)
            }
            side_by_side(partial(_point, self._target), pointers.items(), threads=self._threads)


def _point(target: Hub, pointer: tuple[str, PreparedPackage]) -> None:
    key, package = pointer
    if target.objects.stat(key) is None:
        target.objects.create(key, msgspec.json.encode(package.blob))


def _same(url: str) -> BreakbulkError:
    return HubError(
        "both hubs are one", identifier="mirror-same", where=url, hint="name another one with --from or --to"
    )
