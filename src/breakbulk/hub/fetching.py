"""What a hub gives to a store that realises one of its environments: prepared packages, and archives by digest.

The list of prepared packages is fetched when the store first asks, so that an environment which is there already asks
nothing. Nothing here is trusted: the store compares every object with its digest and every tree with what the change
vouches for. Counterpart: `store.prepared.PreparedSource`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from functools import partial

from breakbulk.ecosystems.interface import Location
from breakbulk.errors import IntegrityError, NotFoundError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.records import Change, PreparedSet
from breakbulk.lock.model import Package
from breakbulk.lock.replacing import half_made
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.prepared import Offer, Place, Streamed

__all__ = ["HubArchives", "HubPackages", "bring_sources"]


class HubArchives:
    """Archives that may be on a hub, by their digests; no prepared packages.

    Args:
        hub: Where.
        origin: What they are for, in errors: `owner/name:3`.

    """

    def __init__(self, hub: Hub, origin: str) -> None:
        self._hub = hub
        self._origin = origin

    def offer(self, package: Package) -> Offer | None:  # noqa: ARG002 - the protocol's
        """Return None: there are archives only."""
        return None

    def places(self, offer: Offer) -> Iterator[Place]:
        """Yield where the hub has the object of an offer: of a hub in a directory the file itself.

        Whoever else may write to the directory can replace the file at any moment, so it must be compared while it is
        read, as prepared packages are: every file of theirs, when it is written.
        """
        local = self._hub.objects.local(object_key(offer.sha256))
        yield Location(path=local) if local else self._streamed(offer.sha256, offer.origin)

    def archives(self, package: Package) -> Iterator[Place]:
        """Yield where the hub has a package's archive, if it does: those that no index has, after `hub mirror` all."""
        yield self._streamed(package.sha256, f"{package.id} of {self._origin}")

    def _streamed(self, sha256: str, what: str) -> Streamed:
        key = object_key(sha256)
        return Streamed(name=f"{self._hub.url}/{key} ({what})", open=partial(self._hub.objects.stream, key))


class HubPackages(HubArchives):
    """The prepared packages of one system of an environment, and archives. Asked from several threads.

    Args:
        hub: Where.
        change: What is being realised; it vouches for the trees.
        system: Of this machine.

    """

    def __init__(self, hub: Hub, change: Change, system: str) -> None:
        super().__init__(hub, f"{change.environment}:{change.generation}")
        self._change = change
        self._system = system
        self._lock = threading.Lock()
        self._prepared: PreparedSet | None = None

    def offer(self, package: Package) -> Offer | None:
        """Return the prepared package, None when the environment was pushed without."""
        found = self._set().packages.get(directory_name(package))
        if found is None:
            return None
        return Offer(
            sha256=found.blob.sha256,
            size=found.blob.size,
            tree=found.tree,
            unpacked_size=found.size,
            origin=f"{self._hub.url}/{object_key(found.blob.sha256)} of {self._origin}",
        )

    def _set(self) -> PreparedSet:
        with self._lock:
            if self._prepared is None:
                self._prepared = self._hub.prepared(self._change, self._system)
            return self._prepared


def bring_sources(hub: Hub, packages: Iterable[Package], layout: Layout, origin: str) -> None:
    """Put the archives of own sources of other people, which are on the hub, among those made here.

    Raises:
        IntegrityError: `digest-mismatch`, `download-truncated`: the object is not what its name says.
        NotFoundError: `source-not-pushed`.
        NetworkError: As the backend.

    """
    for package in packages:
        _bring(hub, package, layout, origin)


def _bring(hub: Hub, package: Package, layout: Layout, origin: str) -> None:
    path, key = layout.archives / package.sha256, object_key(package.sha256)
    if path.exists():
        return
    layout.prepare()
    with half_made(path) as temporary, temporary.open("wb") as file:
        digest, size = hashlib.sha256(), 0
        try:
            for data in hub.objects.stream(key):
                digest.update(data)
                size += len(data)
                if size > package.size:
                    break
                file.write(data)
        except NotFoundError as error:
            raise _not_pushed(package, origin, f"{hub.url}/{key}") from error
        if size != package.size or digest.hexdigest() != package.sha256:
            raise _mismatch(package, origin, f"{hub.url}/{key}", size)
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())


def _not_pushed(package: Package, origin: str, where: str) -> NotFoundError:
    return NotFoundError(
        f"the hub has no archive of {package.id} of {origin}",
        identifier="source-not-pushed",
        where=where,
        hint=f"push {origin.partition(':')[0]} again from where its source is",
    )


def _mismatch(package: Package, origin: str, where: str, size: int) -> IntegrityError:
    return IntegrityError(
        f"the archive of {package.id} of {origin} is not what was locked",
        identifier="download-truncated" if size < package.size else "digest-mismatch",
        where=where,
        why=f"it has other content; the lock says {package.size} bytes with SHA-256 {package.sha256}",
        hint="`breakbulk hub check` tells what else is damaged; push the environment again, or mirror it",
    )
