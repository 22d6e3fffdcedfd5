"""The prepared packages of one push: which the hub has, which have to be made from this machine's store and sent.

What a package is, is decided here by the digest of its tree in this store. An object that holds this tree is found
through the generation that is live, or through what an earlier push wrote down for everybody (`layout.prepared_key`);
only for what neither knows a package is prepared. Nothing of it is trusted: who realises compares the tree.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.errors import HubError, NotFoundError, StoreError
from breakbulk.hub.layout import object_key, prepared_key
from breakbulk.hub.objects import Objects
from breakbulk.hub.records import Blob, PreparedPackage, PreparedSet
from breakbulk.lock.model import Package
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings
from breakbulk.store.faults import store_fault
from breakbulk.store.layout import Layout, directory_name, plain_name
from breakbulk.store.milestones import passed
from breakbulk.store.preparing import prepare

__all__ = ["Preparing"]

_POINTER_MAX_BYTES = 4096


class _Facts(msgspec.Struct, frozen=True):
    """What is needed of a record (`store.records.Record`); the listing, which is long, is passed over."""

    tree: str
    size: int


class Preparing:
    """The packages of one system of one push, all present in the store.

    Attributes:
        made: How many were prepared by `complete`.
        found: Keys of objects that turned out to be on the hub already, though no generation need name them.

    """

    def __init__(self, objects: Objects, packages: Iterable[Package], settings: Settings, reporter: Reporter) -> None:
        self._objects = objects
        self._settings = settings
        self._reporter = reporter
        self._layout = Layout(settings.store)
        self._packages = {plain_name(directory_name(package)): package for package in packages}
        self._facts = {name: self._read_facts(name) for name in self._packages}
        self._slots = threading.Semaphore(settings.jobs)
        self.made = 0
        self.found: set[str] = set()

    def known(self, previous: PreparedSet) -> dict[str, PreparedPackage]:
        """Return the packages that an object is known for: those of `previous`, and those others have prepared."""
        same = {
            name: found
            for name, found in previous.packages.items()
            if name in self._facts and found.tree == self._facts[name].tree
        }
        rest = [name for name in self._packages if name not in same]
        pointed = side_by_side(self._pointed, rest, threads=self._settings.downloads)
        return same | {name: found for name, found in zip(rest, pointed, strict=True) if found}

    def standing(self, known: Mapping[str, PreparedPackage]) -> dict[str, PreparedPackage]:
        """Return `known` less what a collection took away between our look and our lease."""
        unleased = [name for name, package in known.items() if object_key(package.blob.sha256) in self.found]
        stats = side_by_side(
            lambda name: self._objects.stat(object_key(known[name].blob.sha256)),
            unleased,
            threads=self._settings.downloads,
        )
        gone = {name for name, stat in zip(unleased, stats, strict=True) if stat is None}
        return {name: package for name, package in known.items() if name not in gone}

    def complete(self, known: Mapping[str, PreparedPackage]) -> dict[str, PreparedPackage]:
        """Prepare and send what is not in `known`; return all.

        Raises:
            IntegrityError: `tree-damaged`.
            StoreError: `record-damaged`, `disk-full`.
            NetworkError, HubError: As the backend.

        """
        rest = sorted(self._packages.keys() - known.keys(), key=lambda name: -self._facts[name].size)
        if not rest:
            return dict(known)
        task = self._reporter.begin("preparing and sending", total=len(rest), unit="packages")

        def one(name: str) -> PreparedPackage:
            made = self._make(name, place / name)
            task.advance()
            return made

        try:
            with scratch(self._settings.cache / "push") as place:
                made = side_by_side(one, rest, threads=self._settings.downloads)
        except OSError as error:
            raise store_fault(error, self._settings.cache, variable="BREAKBULK_CACHE") from error
        finally:
            task.finish()
        self.made += len(rest)
        return {**known, **dict(zip(rest, made, strict=True))}

    def _make(self, name: str, path: Path) -> PreparedPackage:
        with self._slots:
            made = prepare(self._layout, self._packages[name], path)
        passed("package-prepared")
        blob = Blob(sha256=made.sha256, size=made.size)
        key = object_key(blob.sha256)
        if self._objects.stat(key) is not None or not self._objects.create(key, path):
            self.found.add(key)
        passed("package-sent")
        path.unlink()
        self._point(prepared_key(name, made.tree), blob)
        passed("pointer-written")
        return PreparedPackage(blob=blob, tree=made.tree, size=made.unpacked_size)

    def _point(self, key: str, blob: Blob) -> None:
        """Write down for others which object holds a tree; over what led nowhere, where the hub lets us."""
        data = msgspec.json.encode(blob)
        if not self._objects.create(key, data):
            with contextlib.suppress(HubError):
                self._objects.replace(key, data)

    def _pointed(self, name: str) -> PreparedPackage | None:
        facts = self._facts[name]
        try:
            data = self._objects.get(prepared_key(name, facts.tree), limit_bytes=_POINTER_MAX_BYTES)
            blob = msgspec.json.decode(data, type=Blob)
            stat = self._objects.stat(object_key(blob.sha256))
        except (NotFoundError, msgspec.MsgspecError):
            return None
        if stat is None or stat.size != blob.size:
            return None
        self.found.add(stat.key)
        return PreparedPackage(blob=blob, tree=facts.tree, size=facts.size)

    def _read_facts(self, name: str) -> _Facts:
        path = self._layout.record(self._packages[name])
        try:
            return msgspec.msgpack.decode(path.read_bytes(), type=_Facts)
        except (OSError, msgspec.DecodeError) as error:
            raise StoreError(
                "the record of a package cannot be read",
                identifier="record-damaged",
                where=str(path),
                why=str(error),
                hint=f"remove the package and realise again: `rm -rf {self._layout.packages / path.name} {path}`",
            ) from error
