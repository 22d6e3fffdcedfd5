"""Environments of a hub: their changes, their generations, and the one step that publishes.

Guarantees: a change is there whole or not at all, and one conditional create allots its number, so that of any
number of pushers each gets a generation of its own and none is lost; whoever is killed leaves objects nobody refers
to, never a reference to what is not there. Nothing is cached: what is read is what the hub says now.

Trust is decided above, in `trust`: what comes out of here is well-formed, not vouched for.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from breakbulk.errors import HubError, IntegrityError, NetworkError, NotFoundError
from breakbulk.hub import index
from breakbulk.hub.format import check_format
from breakbulk.hub.layout import ENVIRONMENTS, change_key, changes_prefix, digest_key, object_key
from breakbulk.hub.log import Log, last_numbers
from breakbulk.hub.names import Reference
from breakbulk.hub.objects import Objects
from breakbulk.hub.records import Blob, Change, PreparedSet, Recorded, decode_recorded, encode_change
from breakbulk.hub.sealing import Sealing, Signer, nobody
from breakbulk.lock.files import decode_lock, identity
from breakbulk.lock.model import Lock

__all__ = ["Hub"]

_READERS = 16


class Hub:
    """The environments in one place. May be used from several threads.

    Args:
        objects: The place.
        pause: Waits the seconds it is given, between tries.

    """

    def __init__(self, objects: Objects, pause: Callable[[float], object] = time.sleep) -> None:
        self.objects = objects
        self._pause = pause
        self._sealing = Sealing(objects)

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self.objects.url

    def environments(self) -> dict[str, int]:
        """Return the number of the newest change of every environment, by name. Lists the whole hub: not for users."""
        return last_numbers(self.objects, ENVIRONMENTS)

    def last_number(self, environment: str) -> int:
        """Return the number of the newest change of `owner/name`, 0 when there is no such environment."""
        return self._log(environment).last_number()

    def recorded(self, environment: str, number: int) -> Recorded:
        """Return change `number`; raise `IntegrityError` `change-damaged`, `NotFoundError` when there is none."""
        key = change_key(environment, number)
        return decode_recorded(self.objects.get(key), f"{self.url}/{key}", environment=environment, number=number)

    def current(self, environment: str) -> Recorded | None:
        """Return the newest change, whose generation is live; None when there is no such environment."""
        number = self.last_number(environment)
        return self._expected(environment, number) if number else None

    def history(self, environment: str, *, newest: int | None = None) -> tuple[Recorded, ...]:
        """Return all changes, or the `newest` so many, oldest first.

        Raises:
            NotFoundError: `environment-unknown`.
            IntegrityError: `history-broken`, a change is missing or is not the one that its successor followed.

        """
        last = self.last_number(environment)
        if not last:
            raise self._unknown(environment)
        from concurrent.futures import ThreadPoolExecutor  # not for a rollback

        first = 1 if newest is None else max(1, last - newest + 1)
        with ThreadPoolExecutor(_READERS) as readers:
            changes = tuple(readers.map(lambda number: self._expected(environment, number), range(first, last + 1)))
        for before, after in itertools.pairwise(changes):
            if not _follows(after.change, before):
                raise _broken(environment, after.change.number)
        return changes

    def before(self, recorded: Recorded) -> Recorded | None:
        """Return the change that this one followed, None for the first; raise `IntegrityError` `history-broken`."""
        change = recorded.change
        if change.number == 1:
            return None
        found = self._expected(change.environment, change.number - 1)
        if not _follows(change, found):
            raise _broken(change.environment, change.number)
        return found

    def resolve(self, reference: Reference) -> Recorded:
        """Return the change that says what `reference` is: the newest one, or the push of the generation it names.

        Raises:
            NotFoundError: `environment-unknown`, `generation-unknown`.
            IntegrityError: `change-damaged`; `digest-mismatch` when number and digest are two different environments.

        """
        current = self.current(reference.environment)
        if current is None:
            raise self._unknown(reference.environment)
        if reference.generation is not None:
            found = self._pushed(current, reference.generation)
        elif reference.digest is not None:
            found = self._with_digest(current, reference.digest)
        else:
            found = current
        if reference.digest is not None and found.change.digest != reference.digest:
            raise IntegrityError(
                f"generation {found.change.generation} of {reference.environment} has another digest",
                where=str(reference),
                why=f"its digest is {found.change.digest}",
                hint="leave out the number or the digest",
            )
        return found

    def blob(self, blob: Blob) -> bytes:
        """Return the bytes of an object, compared with its digest; raise `IntegrityError` `digest-mismatch`."""
        key = object_key(blob.sha256)
        data = self.objects.get(key, limit_bytes=blob.size)
        found = hashlib.sha256(data).hexdigest()
        if found != blob.sha256:
            raise IntegrityError(
                "an object of the hub is not what its name says",
                where=f"{self.url}/{key}",
                why=f"it has {len(data)} bytes with SHA-256 {found}",
                hint="`breakbulk hub check` tells which environments need it; push one of them again, or mirror it",
            )
        return data

    def lock(self, change: Change) -> Lock:
        """Return the lock of a change; raise `IntegrityError` when it is not the one of the environment's digest."""
        where = f"{change.environment}:{change.generation}"
        lock = decode_lock(self.blob(change.lock), where)
        if identity(lock) != change.digest:
            raise IntegrityError(
                "the lock is not that of the environment", where=where, why=f"it is that of {identity(lock)}"
            )
        return lock

    def prepared(self, change: Change, system: str) -> PreparedSet:
        """Return the prepared packages of a system, none where it was pushed without."""
        blob = change.prepared.get(system)
        if blob is None:
            return PreparedSet(packages={})
        try:
            return msgspec.json.decode(self.blob(blob), type=PreparedSet)
        except msgspec.MsgspecError as error:
            raise IntegrityError(
                "the list of prepared packages is damaged",
                identifier="object-damaged",
                where=f"{self.url}/{object_key(blob.sha256)}",
                why=str(error),
            ) from error

    def commit(
        self, environment: str, make: Callable[[Recorded | None], Change | None], sign: Signer = nobody
    ) -> Recorded | None:
        """Record the next change of an environment.

        Args:
            environment: `owner/name`.
            make: Gives the change that follows the newest one (None: the first), whose objects are all there; called
                again when somebody else was quicker. None when nothing is to change after all; nor does `commit` then.
            sign: Gives the signatures of the change.

        Raises:
            HubError: `hub-contended`, others were quicker every time; `hub-newer`, it has a layout we do not know;
                `hub-requires-signatures`.

        """

        def following(last: int) -> bytes | None:
            change = make(self._expected(environment, last) if last else None)
            return self._sealing.seal(encode_change(change), sign, environment) if change else None

        entry = self._log(environment).append(following)
        if entry is None:
            return None
        key = change_key(environment, entry.number)
        recorded = decode_recorded(entry.data, key, environment=environment, number=entry.number)
        self._derive(recorded)
        return recorded

    def _derive(self, recorded: Recorded) -> None:
        """Write what is found more quickly by it; the change is recorded, so a fault here is none of the commit."""
        change = recorded.change
        with suppress(NetworkError, HubError, IntegrityError):
            self.objects.create(digest_key(change.environment, change.digest), str(change.number).encode())
            index.record(self.objects, change.summary(signed=bool(recorded.envelope.signatures)))

    def _pushed(self, current: Recorded, generation: int) -> Recorded:
        """Find the push of a generation: its change is at most as many numbers on as there were switches."""
        environment, newest = current.change.environment, current.change
        if newest.kind == "push" and newest.generation == generation:
            return current
        if generation > newest.generations:
            raise NotFoundError(
                f"{environment} has no generation {generation}",
                identifier="generation-unknown",
                where=self.url,
                why=f"its newest is {newest.generations}",
                hint=f"`breakbulk history {environment}` lists them",
            )
        low, high = generation, generation + newest.number - newest.generations
        while low < high:
            middle = (low + high) // 2
            if self._expected(environment, middle).change.generations < generation:
                low = middle + 1
            else:
                high = middle
        found = self._expected(environment, low)
        if found.change.kind != "push" or found.change.generation != generation:
            raise _broken(environment, low)
        return found

    def _with_digest(self, current: Recorded, digest: str) -> Recorded:
        environment = current.change.environment
        if current.change.digest == digest:
            return current
        try:
            number = int(self.objects.get(digest_key(environment, digest), limit_bytes=16))
            found = self.recorded(environment, number)
            if found.change.digest == digest:
                return found
        except (NotFoundError, HubError, ValueError):
            pass  # it is derived: whoever pushed may have been killed before it was written
        for found in self.history(environment):
            if found.change.digest == digest:
                return found
        raise NotFoundError(
            f"{environment} has no generation with this digest",
            identifier="generation-unknown",
            where=f"{environment}@{digest}",
            hint=f"`breakbulk history {environment}` lists them",
        )

    def _expected(self, environment: str, number: int) -> Recorded:
        """Return a change that is there if the history is whole."""
        try:
            return self.recorded(environment, number)
        except NotFoundError as error:
            raise _broken(environment, number) from error

    def _log(self, environment: str) -> Log:
        return Log(self.objects, changes_prefix(environment), environment, self._pause)

    def _unknown(self, environment: str) -> NotFoundError:
        check_format(self.objects)
        return NotFoundError(
            f"there is no environment {environment} on this hub",
            identifier="environment-unknown",
            where=self.url,
            hint="`breakbulk hub list` shows what there is; `breakbulk push OWNER/NAME` makes one; "
            "BREAKBULK_HUB names another hub",
        )


def _follows(change: Change, before: Recorded) -> bool:
    """Say whether a change is the one made after `before`: by its digest, and by what both say of generations."""
    return (
        change.parent == before.sha256
        and change.previous == before.change.generation
        and change.generations == before.change.generations + (change.kind == "push")
    )


def _broken(environment: str, number: int) -> IntegrityError:
    return IntegrityError(
        f"the history of {environment} is broken at change {number}",
        identifier="history-broken",
        where=environment,
        why="a change was altered, removed or put in later",
        hint="`breakbulk verify` tells more; do not run what comes after it, and restore it from a mirror",
    )
