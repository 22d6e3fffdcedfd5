"""Packages that were built with Breakbulk, on a hub: what was published of each, oldest first.

A package has an append-only history of its own, as an environment has: each publication is a change whose number one
conditional create allots, which names the SHA-256 of the one before, and is kept as a statement about the archives
(`statements`). The archives are objects by their digests. Nothing is ever replaced: the same version published again is
another change, and who has locked the one before keeps it.

Counterparts: `builds.publishing`, which publishes, and `ecosystems.hub.catalogue`, which says what is needed of it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated

import msgspec

from breakbulk.ecosystems.hub.catalogue import Release
from breakbulk.errors import IntegrityError, NotFoundError
from breakbulk.hub.layout import PACKAGES, publication_key, publications_prefix
from breakbulk.hub.log import Log, last_numbers
from breakbulk.hub.objects import Objects
from breakbulk.hub.records import Authorship, Blob
from breakbulk.hub.sealing import Sealing, Signer, nobody
from breakbulk.hub.statements import Envelope, Subject, damaged_record, decode_statement, encode_statement

__all__ = [
    "PACKAGE_TYPE",
    "Publication",
    "PublishedPackages",
    "RecordedPublication",
    "Source",
    "decode_publication",
]

PACKAGE_TYPE = "https://breakbulk.dev/package/v1"
_READERS = 16


class _Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    pass


class Source(_Table, frozen=True, kw_only=True):
    """What a package was built from: the digest of the project's files, and the Git commit if they are those of one.

    `dirty` says that files differed from the commit.
    """

    tree: str
    revision: str | None = None
    dirty: bool = False


class Publication(_Table, frozen=True, kw_only=True):
    """One change of a package.

    Attributes:
        package: `owner/name`.
        number: From 1, without gaps.
        release: What was published.
        source: From what.
        author, host, command, time, message: As in `records.Change`.
        parent: SHA-256 of the envelope of the change before, None for the first.

    """

    package: str
    number: Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]
    release: Release
    source: Source
    author: str
    host: str
    command: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    message: str = ""
    parent: str | None = None

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The objects it refers to: a collection keeps them."""
        return tuple(Blob(sha256=each.sha256, size=each.size) for each in self.release.artifacts)

    def following(self, before: RecordedPublication | None, by: Authorship) -> Publication:
        """Return this publication as the change after `before`, made by `by`."""
        return msgspec.structs.replace(
            self,
            number=before.publication.number + 1 if before else 1,
            parent=before.sha256 if before else None,
            author=by.author,
            host=by.host,
            command=by.command,
            time=by.time,
            message=by.message,
        )


class RecordedPublication(msgspec.Struct, frozen=True, kw_only=True):
    """A publication as a hub has it: what it says, its envelope, and the SHA-256 of the envelope's bytes."""

    publication: Publication
    envelope: Envelope
    sha256: str


class PublishedPackages:
    """The packages in one place. May be used from several threads.

    Args:
        objects: The place.
        pause: Waits the seconds it is given, between tries.

    """

    def __init__(self, objects: Objects, pause: Callable[[float], object] = time.sleep) -> None:
        self._objects = objects
        self._pause = pause
        self._sealing = Sealing(objects)

    def names(self) -> dict[str, int]:
        """Return the number of the newest change of every package. Lists all of them."""
        return last_numbers(self._objects, PACKAGES)

    def history(self, package: str) -> tuple[RecordedPublication, ...]:
        """Return everything published of `owner/name`, oldest first.

        Raises:
            NotFoundError: `package-unknown`.
            IntegrityError: `history-broken`, a change is missing or altered; `change-damaged`.

        """
        last = self._log(package).last_number()
        if not last:
            raise _unknown(package, self._objects.url)
        with ThreadPoolExecutor(_READERS) as readers:
            changes = tuple(readers.map(lambda number: self.recorded(package, number), range(1, last + 1)))
        for before, after in itertools.pairwise(changes):
            if after.publication.parent != before.sha256:
                raise _broken(package, after.publication.number)
        return changes

    def commit(
        self,
        package: str,
        make: Callable[[RecordedPublication | None], Publication | None],
        sign: Signer = nobody,
    ) -> RecordedPublication | None:
        """Record the next change of a package, whose objects are there; as `Hub.commit`."""

        def following(last: int) -> bytes | None:
            publication = make(self.recorded(package, last) if last else None)
            return self._sealing.seal(_encode(publication), sign, f"the package {package}") if publication else None

        entry = self._log(package).append(following)
        if entry is None:
            return None
        key = publication_key(package, entry.number)
        return decode_publication(entry.data, key, package=package, number=entry.number)

    def recorded(self, package: str, number: int) -> RecordedPublication:
        """Return change `number`; raise `IntegrityError` `change-damaged`, `history-broken` when there is none."""
        key = publication_key(package, number)
        try:
            data = self._objects.get(key)
        except NotFoundError as error:
            raise _broken(package, number) from error
        return decode_publication(data, f"{self._objects.url}/{key}", package=package, number=number)

    def _log(self, package: str) -> Log:
        return Log(self._objects, publications_prefix(package), f"the package {package}", self._pause)


def _encode(publication: Publication) -> bytes:
    """Return the statement that is signed; equal publications give equal bytes."""
    archives = (Subject(each.file, each.sha256) for each in publication.release.artifacts)
    return encode_statement(archives, PACKAGE_TYPE, publication)


def decode_publication(data: bytes, where: str, *, package: str, number: int) -> RecordedPublication:
    """Return the publication in `data`; raise `IntegrityError` `change-damaged`, `HubError` `hub-newer`."""
    stated = decode_statement(data, where, PACKAGE_TYPE, Publication, _encode)
    publication = stated.predicate
    if (publication.package, publication.number, publication.release.package) != (package, number, package):
        raise damaged_record(where, f"it says it is change {publication.number} of {publication.package}")
    if not publication.release.artifacts:
        raise damaged_record(where, "it publishes nothing")
    return RecordedPublication(publication=publication, envelope=stated.envelope, sha256=stated.sha256)


def _broken(package: str, number: int) -> IntegrityError:
    return IntegrityError(
        f"the history of the package {package} is broken at change {number}",
        identifier="history-broken",
        where=package,
        why="a change was altered, removed or put in later",
        hint="do not install what comes after it, and restore it from a mirror",
    )


def _unknown(package: str, url: str) -> NotFoundError:
    return NotFoundError(
        f"there is no package {package} on this hub",
        identifier="package-unknown",
        where=url,
        hint="`breakbulk publish --as OWNER` publishes what `breakbulk build` makes; BREAKBULK_HUB names another hub",
    )
