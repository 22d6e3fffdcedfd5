"""Publish an environment: bring what the hub lacks, then record one change, and see that everything it names is there.

    current change ─► what is needed ─► lease ─► what is missing is prepared and sent ─► change ─► looked after

Guarantees: a change is recorded only when everything it refers to is on the hub; whoever is killed before leaves
objects that nobody refers to, which the next push finds; nothing that is there is sent again, nor prepared again. The
pusher vouches for the tree of each package as this machine's store has it, whoever made the object that holds it.
Counterparts: `fetching`, which realises what was pushed, `leases`, which holds off the collection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack

import msgspec

from breakbulk.errors import HubError, IntegrityError, NotFoundError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.leases import Held, pushing
from breakbulk.hub.preparing import Preparing
from breakbulk.hub.records import Authorship, Blob, Change, PreparedPackage, PreparedSet, Recorded
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.uploads import Item, Metered, missing, upload
from breakbulk.lock.files import encode_lock, identity
from breakbulk.lock.model import Lock, Package
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.milestones import passed

__all__ = ["Outgoing", "Pushed", "push"]

_Packages = dict[str, PreparedPackage]


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is published.

    Attributes:
        environment: `owner/name`.
        lock: Current.
        manifest: The manifest as the user wrote it, its includes of directories merged in.
        system: Whose packages are realised here and are sent prepared; None sends none.
        trees: Its packages as they are here (`store.realise.Realised`): what others vouch for, and this machine took on
            their word, is vouched for again.
        files: What no index has: archives of own sources, constraints.
        based_on: The generation that this one was made from, None when that is unknown.

    """

    environment: str
    lock: Lock
    manifest: bytes
    system: str | None
    trees: tuple[Package, ...] = ()
    files: tuple[Item, ...] = ()
    based_on: int | None = None


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: the change that is the newest now, whether it is ours, and what was sent for it.

    Attributes:
        recorded: The change; when nothing was new, the one before.
        new: Whether a generation was allotted.
        bytes_sent: Really sent, what describes the change included.
        objects_sent: How many objects.
        prepared: How many packages are on the hub prepared.
        made: How many of them were prepared by this push.

    """

    recorded: Recorded
    new: bool
    bytes_sent: int
    objects_sent: int
    prepared: int
    made: int


def push(
    hub: Hub,
    outgoing: Outgoing,
    by: Authorship,
    settings: Settings,
    *,
    sign: Signer = nobody,
    trusts: Callable[[Recorded], bool] = lambda _: True,
    force: bool = False,
    reporter: Reporter = SILENT,
) -> Pushed:
    """Publish `outgoing`, whose packages are present in the store.

    Args:
        hub: Where.
        outgoing: What.
        by: Who does it.
        settings: Of this process.
        sign: Gives the signatures of the change.
        trusts: Says whether we vouch for what a change before says of other systems' packages, which nobody can
            compare here.
        force: Allot a generation though nothing is new, and although others have pushed since `outgoing.based_on`.
        reporter: Is told of progress.

    Raises:
        HubError: `push-diverged`, others have pushed since; `push-incomplete`, the hub loses what it is given.
        IntegrityError: `tree-damaged`, a package in the store is not what it was.
        NetworkError, HubError: As the backend.

    """
    return _Push(hub, outgoing, by, settings, sign=sign, trusts=trusts, force=force, reporter=reporter).run()


class _Documents(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that a change names beside prepared packages; `prepared` is their list."""

    lock: Item
    manifest: Item
    prepared: Item | None

    def all(self) -> tuple[Item, ...]:
        return tuple(item for item in (self.lock, self.manifest, self.prepared) if item)


class _Push:
    """One push. `run` it once."""

    def __init__(
        self,
        hub: Hub,
        outgoing: Outgoing,
        by: Authorship,
        settings: Settings,
        *,
        sign: Signer,
        trusts: Callable[[Recorded], bool],
        force: bool,
        reporter: Reporter,
    ) -> None:
        self._place = hub.objects
        self._objects = Metered(hub.objects)
        self._hub = Hub(self._objects)
        self._outgoing = outgoing
        self._by = by
        self._sign = sign
        self._trusts = trusts
        self._force = force
        self._reporter = reporter
        self._threads = settings.downloads
        self._digest = identity(outgoing.lock)
        self._preparing = Preparing(self._objects, outgoing.trees, settings, reporter)

    def run(self) -> Pushed:
        current = self._hub.current(self._outgoing.environment)
        self._refuse_divergence(current)
        known = self._preparing.known(self._previously(current))
        documents = self._documents(known)
        passed("push-planned")
        with ExitStack() as leases:
            lease = leases.enter_context(self._leased(self._keys(documents, known)))
            prepared = self._preparing.complete(self._preparing.standing(known))
            if prepared != known:
                documents = self._documents(prepared)
                leases.enter_context(self._leased(self._preparing.found | _keys(documents.all())))
                self._preparing.complete(self._preparing.standing(prepared))
            self._send((*documents.all(), *self._outgoing.files))
            lease.check()
            recorded = self._hub.commit(self._outgoing.environment, self._change(documents), self._sign)
            passed("change-recorded")
            self._look_after(documents, prepared)
        return self._outcome(recorded, prepared)

    def _previously(self, current: Recorded | None) -> PreparedSet:
        """Return the packages that the live generation has prepared for our system, as far as the hub still knows."""
        if current is None or self._outgoing.system is None:
            return PreparedSet(packages={})
        try:
            return self._hub.prepared(current.change, self._outgoing.system)
        except (NotFoundError, IntegrityError, HubError):
            return PreparedSet(packages={})  # it is sent again, as everything that is missing or damaged

    def _documents(self, prepared: _Packages) -> _Documents:
        where = self._outgoing.environment
        listed = PreparedSet(packages=dict(sorted(prepared.items())))
        return _Documents(
            lock=_document(encode_lock(self._outgoing.lock), f"the lock of {where}"),
            manifest=_document(self._outgoing.manifest, f"the manifest of {where}"),
            prepared=_document(msgspec.json.encode(listed), f"the prepared packages of {where}")
            if self._outgoing.system
            else None,
        )

    def _keys(self, documents: _Documents, prepared: _Packages) -> set[str]:
        objects = {object_key(package.blob.sha256) for package in prepared.values()}
        return objects | _keys(documents.all()) | _keys(self._outgoing.files)

    def _leased(self, keys: Iterable[str]) -> AbstractContextManager[Held]:
        return pushing(self._place, keys, self._reporter)

    def _send(self, items: Iterable[Item]) -> None:
        """Bring what is missing there, and what is there to where it outlives a crash."""
        upload(
            self._objects,
            missing(self._objects, items, threads=self._threads),
            threads=self._threads,
            reporter=self._reporter,
        )
        self._objects.settle()
        passed("objects-settled")

    def _change(self, documents: _Documents) -> Callable[[Recorded | None], Change | None]:
        """Return what makes the change that follows the newest one."""

        def make(current: Recorded | None) -> Change | None:
            self._refuse_divergence(current)
            if current is not None and not self._force and self._is_live(current.change, documents):
                return None
            return self._following(current, documents)

        return make

    def _is_live(self, change: Change, documents: _Documents) -> bool:
        return (
            change.digest == self._digest
            and change.manifest == documents.manifest.blob
            and (self._outgoing.system is None or self._outgoing.system in change.prepared)
        )

    def _following(self, current: Recorded | None, documents: _Documents) -> Change:
        before = current.change if current else None
        generation = before.generations + 1 if before else 1
        system, lock = self._outgoing.system, self._outgoing.lock
        ours = {system: documents.prepared.blob} if system and documents.prepared else {}
        return Change(
            environment=self._outgoing.environment,
            number=before.number + 1 if before else 1,
            kind="push",
            generation=generation,
            generations=generation,
            previous=before.generation if before else None,
            digest=self._digest,
            lock=documents.lock.blob,
            manifest=documents.manifest.blob,
            prepared={**self._of_other_systems(current), **ours},
            archives=tuple(item.blob for item in self._outgoing.files),
            author=self._by.author,
            host=self._by.host,
            command=self._by.command,
            time=self._by.time,
            message=self._by.message,
            installs=tuple(sorted(lock.manifest.get("install", {}))),
            packages=len({package.id for locked in lock.systems.values() for package in locked.packages}),
            parent=current.sha256 if current else None,
        )

    def _of_other_systems(self, current: Recorded | None) -> dict[str, Blob]:
        """Return what machines of other systems have prepared of this very environment."""
        same = current is not None and current.change.digest == self._digest
        return dict(current.change.prepared) if current and same and self._trusts(current) else {}

    def _look_after(self, documents: _Documents, prepared: _Packages) -> None:
        """See that everything is there; send what is not once more, as the change names it now."""
        plain = (*documents.all(), *self._outgoing.files)
        packages = {name: _package_item(name, package) for name, package in prepared.items()}
        lost = missing(self._objects, (*plain, *packages.values()), threads=self._threads)
        if lost:
            gone = {item.blob.sha256 for item in lost}
            self._preparing.complete({name: kept for name, kept in prepared.items() if kept.blob.sha256 not in gone})
            self._send(plain)
            lost = missing(self._objects, (*plain, *packages.values()), threads=self._threads)
        if lost:
            raise _incomplete(self._hub.url, self._outgoing.environment, lost)
        self._objects.settle()

    def _refuse_divergence(self, current: Recorded | None) -> None:
        based_on = self._outgoing.based_on
        if self._force or current is None or based_on is None or current.change.generations <= based_on:
            return
        change = current.change
        if change.digest != self._digest:
            raise _diverged(change, based_on)

    def _outcome(self, recorded: Recorded | None, prepared: _Packages) -> Pushed:
        live = recorded or self._hub.current(self._outgoing.environment)
        if live is None:
            raise _incomplete(self._hub.url, self._outgoing.environment, ())
        return Pushed(
            recorded=live,
            new=recorded is not None,
            bytes_sent=self._objects.bytes,
            objects_sent=self._objects.count,
            prepared=len(prepared),
            made=self._preparing.made,
        )


def _document(data: bytes, what: str) -> Item:
    blob = Blob(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    return Item(blob=blob, what=what, content=lambda: data, compared=True)


def _package_item(name: str, package: PreparedPackage) -> Item:
    """Return a prepared package to be looked for; it is sent by being prepared again."""
    return Item(blob=package.blob, what=f"the prepared package {name}", content=lambda: b"")


def _keys(items: Iterable[Item]) -> set[str]:
    return {object_key(item.blob.sha256) for item in items}


def _diverged(change: Change, based_on: int) -> HubError:
    return HubError(
        f"others have pushed {change.environment} since you had generation {based_on}",
        identifier="push-diverged",
        where=f"{change.environment}:{change.generations}",
        why=f"the newest generation is {change.generations}; yours would undo what is new in it",
        hint=f"`breakbulk diff {change.environment}:{based_on} {change.environment}:{change.generations}` shows what "
        "is new; pull it into another directory and bring your change there, or push with --force",
    )


def _incomplete(url: str, environment: str, lost: Iterable[Item]) -> HubError:
    return HubError(
        f"the hub does not keep what {environment} needs",
        identifier="push-incomplete",
        where=url,
        why="it has lost again " + ", ".join(item.what for item in lost),
        hint="see who removes objects there, then push again: only what is missing is sent",
    )
