"""Copy objects to another hub: what it lacks, in parallel, largest first, each compared with its digest on the way.

An object that is there with another size is replaced; nothing that is there is sent again. What is not on the source
may come from the user's indices, as it does for a store. Counterpart: `mirror`, which knows what is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from breakbulk.ecosystems.interface import Ecosystem
from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.hub.layout import object_key
from breakbulk.hub.objects import Objects
from breakbulk.hub.reach import Reached
from breakbulk.hub.uploads import Metered
from breakbulk.lock.model import Package
from breakbulk.manifest.schema import Install
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings
from breakbulk.store.attempts import Wanted
from breakbulk.store.milestones import passed
from breakbulk.store.prepared import Place, Streamed
from breakbulk.store.transfers import Transfers, archive_of

__all__ = ["CopiedObjects", "Item", "archive_item", "distinct", "object_item"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An object to copy, and where else than on the source it may be had."""

    wanted: Wanted
    package: Package | None = None
    install: Install | None = None


def object_item(source: Objects, reached: Reached) -> Item:
    """Return what only the source has."""
    blob = reached.blob
    return Item(
        wanted=Wanted(
            name=reached.what,
            where=f"{source.url}/{object_key(blob.sha256)}",
            size=blob.size,
            sha256=blob.sha256,
            promise="it was pushed with",
            hint="`breakbulk hub check` on the source tells what else is damaged; push the environment again there",
        )
    )


def archive_item(package: Package, installs: Mapping[str, Install]) -> Item:
    """Return the archive of a package, which the user's indices may have too."""
    install = installs.get(package.source) if package.source else None
    return Item(wanted=archive_of(package), package=package, install=install)


def distinct(items: Iterable[Item]) -> dict[str, Item]:
    """Return items by digest; where there are two of one, that which can be had from more places."""
    found: dict[str, Item] = {}
    for item in items:
        if item.wanted.sha256 not in found or item.package is not None:
            found[item.wanted.sha256] = item
    return found


class CopiedObjects:
    """The way of objects from one place to another.

    Args:
        source, target: The places.
        settings: Of this process; they say where the user's indices are.
        ecosystems: By name.
        transfers: Fetches.
        place: Directory for what is on its way.
        reporter: Is told of bytes.

    """

    def __init__(
        self,
        source: Objects,
        target: Objects,
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

    def copy(self, items: Iterable[Item]) -> Metered:
        """Bring what the target lacks to where it outlives a crash; return the count of what was sent.

        Raises:
            IntegrityError: An object of the source is damaged.
            NotFoundError: It is gone.
            NetworkError, HubError: As the backends and indices.
            OSError: As the file system of `place`.

        """
        sent = Metered(self._target)
        if missing := self._missing(list(items)):
            task = self._reporter.begin("copying", total=sum(item.wanted.size for item in missing), unit="bytes")

            def one(item: Item) -> None:
                self._bring(item, sent)
                task.advance(item.wanted.size)

            try:
                side_by_side(one, missing, threads=self._settings.downloads)
            finally:
                task.finish()
        self._target.settle()
        passed("mirror-objects-sent")
        return sent

    def _missing(self, items: list[Item]) -> list[Item]:
        """Return what the target lacks, or has with another size, which is removed; largest first."""

        def lacks(item: Item) -> bool:
            key = object_key(item.wanted.sha256)
            stat = self._target.stat(key)
            if stat is not None and stat.size != item.wanted.size:
                self._target.delete([key])
            return stat is None or stat.size != item.wanted.size

        absent = side_by_side(lacks, items, threads=self._settings.downloads)
        return sorted(itertools.compress(items, absent), key=lambda item: -item.wanted.size)

    def _bring(self, item: Item, sent: Metered) -> None:
        path = self._place / str(next(self._numbers))
        try:
            fetched = self._transfers.fetch(item.wanted, self._places(item), path)
            sent.create(object_key(item.wanted.sha256), fetched.path)
            passed("mirror-object-sent")
        finally:
            path.unlink(missing_ok=True)

    def _places(self, item: Item) -> Iterator[Place]:
        key = object_key(item.wanted.sha256)
        package = item.package
        if package is None or self._source.stat(key) is not None:
            yield Streamed(name=f"{self._source.url}/{key}", open=partial(self._source.stream, key))
        if package is not None:
            yield from self._ecosystems[package.ecosystem].locate(package, item.install, self._settings)
