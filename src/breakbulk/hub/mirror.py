"""Copy environments from one hub to another: histories byte for byte, so that their signatures stay what they are.

    histories ─► objects, compared with their digests on the way ─► changes, oldest first ─► what is derived

Guarantees: a change is recorded only when what it needs is there; nothing that is there is sent again, so a mirror that
was killed goes on where it ended; a history that is another one there is left alone (`mirror-diverged`). With
`archives`, every archive that the locks name comes along, and from then on no index is needed to realise.

Counterparts: `reach`, which says what is copied; `leases`, which holds off the collection over there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from breakbulk.ecosystems.interface import Ecosystem
from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NetworkError
from breakbulk.hub import index
from breakbulk.hub.format import check_format, ensure_format
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import KEYS, change_key, digest_key, object_key, prepared_key
from breakbulk.hub.leases import pushing
from breakbulk.hub.names import Reference
from breakbulk.hub.policy import read_policy, requires_signatures
from breakbulk.hub.reach import Reached, documents, every_archive, mirrored, own_archives, prepared_packages
from breakbulk.hub.records import Change, PreparedPackage, Recorded
from breakbulk.hub.uploads import Metered
from breakbulk.lock.model import Lock, Package
from breakbulk.manifest.reading import from_builtins
from breakbulk.manifest.schema import Install
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.attempts import Wanted
from breakbulk.store.faults import store_fault
from breakbulk.store.milestones import passed
from breakbulk.store.prepared import Place, Streamed
from breakbulk.store.transfers import Transfers, archive_of

__all__ = ["Mirrored", "mirror"]

_RECORD_MAX_BYTES = 8 << 20


class Mirrored(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one environment.

    Attributes:
        environment: `owner/name`.
        changes: How many changes the target has of it now.
        new_changes: How many of them were brought.
        generations: The generations whose packages were copied.
        objects: How many objects these need.
        objects_sent, bytes_sent: Of them, what the target lacked.

    """

    environment: str
    changes: int
    new_changes: int
    generations: tuple[int, ...]
    objects: int
    objects_sent: int
    bytes_sent: int


class _Item(msgspec.Struct, frozen=True, kw_only=True):
    """An object to copy, and where else than on the source it may be had."""

    wanted: Wanted
    package: Package | None = None
    install: Install | None = None


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
            copying = _Mirroring(
                source,
                target,
                settings,
                ecosystems=ecosystems,
                transfers=transfers,
                place=place,
                reporter=reporter,
            )
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
        self,
        source: Hub,
        target: Hub,
        settings: Settings,
        *,
        ecosystems: Mapping[str, Ecosystem],
        transfers: Transfers,
        place: Path,
        reporter: Reporter,
    ) -> None:
        self._source = source
        self._target = target
        self._settings = settings
        self._ecosystems = ecosystems
        self._transfers = transfers
        self._place = place
        self._reporter = reporter
        self._numbers = itertools.count()

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
        there = self._compared(name, history)
        chosen = [found.change for found in history if found.change.kind == "push"] if all_generations else [meant]
        locks = {change.generation: self._source.lock(change) for change in chosen}
        items = _distinct((*self._described(history), *self._packages(chosen, locks, archives=archives)))
        sent = Metered(self._target.objects)
        with pushing(self._target.objects, map(object_key, items), self._reporter) as lease:
            self._copy(items.values(), sent)
            self._target.objects.settle()
            passed("mirror-objects-sent")
            lease.check()
            self._record(history[there:])
        self._derive(history, chosen)
        return Mirrored(
            environment=name,
            changes=max(len(history), there),
            new_changes=len(history) - there,
            generations=tuple(sorted({change.generation for change in chosen})),
            objects=len(items),
            objects_sent=sent.count,
            bytes_sent=sent.bytes,
        )

    def _compared(self, environment: str, history: tuple[Recorded, ...]) -> int:
        """Return how many of these changes the target has, which all have to be the same."""
        there = min(self._target.last_number(environment), len(history))
        for recorded in history[there - 1 : there] if there else ():
            found = self._target.recorded(environment, there)
            if found.sha256 != recorded.sha256:
                raise _diverged(environment, there, self._target.url)
        return there

    def _described(self, history: Iterable[Recorded]) -> Iterator[_Item]:
        """Yield what changes name themselves; what only lists and locks name is not needed to record them."""
        for recorded in history:
            yield from (self._item(reached) for reached in documents(recorded.change))
            yield from (self._item(reached) for reached in own_archives(recorded.change))

    def _packages(self, changes: Iterable[Change], locks: Mapping[int, Lock], *, archives: bool) -> Iterator[_Item]:
        for change in changes:
            lock = locks[change.generation]
            yield from (self._item(reached) for reached in mirrored(self._source, change, lock))
            if archives:
                installs = from_builtins(lock.manifest).install
                for package in every_archive(lock):
                    install = installs.get(package.source) if package.source else None
                    yield _Item(wanted=archive_of(package), package=package, install=install)

    def _item(self, reached: Reached) -> _Item:
        blob = reached.blob
        return _Item(
            wanted=Wanted(
                name=reached.what,
                where=f"{self._source.url}/{object_key(blob.sha256)}",
                size=blob.size,
                sha256=blob.sha256,
                promise="it was pushed with",
                hint="`breakbulk hub check` on the source tells what else is damaged; push the environment again there",
            )
        )

    def _copy(self, items: Iterable[_Item], sent: Metered) -> None:
        missing = self._missing(list(items))
        if not missing:
            return
        task = self._reporter.begin("copying", total=sum(item.wanted.size for item in missing), unit="bytes")

        def one(item: _Item) -> None:
            self._bring(item, sent)
            task.advance(item.wanted.size)

        try:
            side_by_side(one, missing, threads=self._settings.downloads)
        finally:
            task.finish()

    def _missing(self, items: list[_Item]) -> list[_Item]:
        """Return what the target lacks, or has with another size, which is removed; largest first."""

        def lacks(item: _Item) -> bool:
            key = object_key(item.wanted.sha256)
            stat = self._target.objects.stat(key)
            if stat is not None and stat.size != item.wanted.size:
                self._target.objects.delete([key])
            return stat is None or stat.size != item.wanted.size

        absent = side_by_side(lacks, items, threads=self._settings.downloads)
        return sorted(itertools.compress(items, absent), key=lambda item: -item.wanted.size)

    def _bring(self, item: _Item, sent: Metered) -> None:
        path = self._place / str(next(self._numbers))
        try:
            fetched = self._transfers.fetch(item.wanted, self._places(item), path)
            sent.create(object_key(item.wanted.sha256), fetched.path)
            passed("mirror-object-sent")
        finally:
            path.unlink(missing_ok=True)

    def _places(self, item: _Item) -> Iterator[Place]:
        key = object_key(item.wanted.sha256)
        package = item.package
        if package is None or self._source.objects.stat(key) is not None:
            yield Streamed(name=f"{self._source.url}/{key}", open=partial(self._source.objects.stream, key))
        if package is not None:
            yield from self._ecosystems[package.ecosystem].locate(package, item.install, self._settings)

    def _record(self, changes: Iterable[Recorded]) -> None:
        """Record changes that the target lacks, as they are."""
        required = read_policy(self._target.objects).require_signatures
        for recorded in changes:
            change = recorded.change
            if required and not recorded.envelope.signatures:
                raise requires_signatures(f"{change.environment} on {self._target.url}")
            key = change_key(change.environment, change.number)
            data = self._source.objects.get(key, limit_bytes=_RECORD_MAX_BYTES)
            if not self._target.objects.create(key, data) and self._target.objects.get(key) != data:
                raise _diverged(change.environment, change.number, self._target.url)
            passed("mirror-change-recorded")
        self._target.objects.settle()

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
            side_by_side(partial(_point, self._target), pointers.items(), threads=self._settings.downloads)


def _point(target: Hub, pointer: tuple[str, PreparedPackage]) -> None:
    key, package = pointer
    if target.objects.stat(key) is None:
        target.objects.create(key, msgspec.json.encode(package.blob))


def _distinct(items: Iterable[_Item]) -> dict[str, _Item]:
    """Return items by digest; where there are two of one, that which can be had from more places."""
    found: dict[str, _Item] = {}
    for item in items:
        if item.wanted.sha256 not in found or item.package is not None:
            found[item.wanted.sha256] = item
    return found


def _diverged(environment: str, number: int, url: str) -> BreakbulkError:
    return HubError(
        f"{environment} has another history there",
        identifier="mirror-diverged",
        where=f"{environment}, change {number} on {url}",
        why="somebody pushed to it there, or the two never were one environment",
        hint="mirror to a hub that nobody pushes to, or give it another name there",
    )


def _same(url: str) -> BreakbulkError:
    return HubError(
        "both hubs are one", identifier="mirror-same", where=url, hint="name another one with --from or --to"
    )
