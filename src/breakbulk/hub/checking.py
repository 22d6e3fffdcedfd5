"""Check a whole hub, and write anew what is derived: what `breakbulk hub check` does.

Of each environment: that every change can be read and follows the one before, that everything it names is there with
its size, or, `deep`, with its bytes, and that a switch repeats what was pushed. Of what is derived: that each digest
leads to its change, each pointer to an object, and that the index says what the changes say. Repairing writes the
derived anew and removes objects that are not what their name says, so that the next push or mirror sends them; nothing
that only the damaged object knew can be made up. Faults are values; nothing ends the check but a hub that does not
answer. Counterparts: `verifying`, for one environment and its signatures; `contents`, for objects.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator
from contextlib import suppress

import msgspec

from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NetworkError, NotFoundError
from breakbulk.hub import index
from breakbulk.hub.contents import Contents
from breakbulk.hub.format import check_format
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import PREPARED, change_key, digest_key, elsewhere_prefix, object_key
from breakbulk.hub.log import Log
from breakbulk.hub.packages import PublishedPackages
from breakbulk.hub.records import Blob, Recorded
from breakbulk.hub.reindexing import rebuild
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

__all__ = ["Fault", "HubCheck", "check_hub"]

_POINTER_MAX_BYTES = 4096
_DIGEST_MAX_BYTES = 16


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong: of what (`owner/name, generation 3`), what, and whether it has been repaired."""

    where: str
    what: str
    repaired: bool = False


class HubCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome.

    Attributes:
        environments, changes, packages, objects: How many there are.
        elsewhere: How many generations have their packages on the hub that this one is a mirror of.
        bytes_read: Of objects, when all were read.
        faults: What is wrong.

    """

    environments: int
    changes: int
    elsewhere: int
    packages: int
    objects: int
    bytes_read: int
    faults: tuple[Fault, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(fault.repaired for fault in self.faults)


def check_hub(
    hub: Hub, settings: Settings, *, deep: bool = False, repair: bool = False, reporter: Reporter = SILENT
) -> HubCheck:
    """Check everything that a hub has.

    Args:
        hub: Whose.
        settings: Of this process.
        deep: Read all objects.
        repair: Write the derived anew, and remove objects that are not what their name says.
        reporter: Is told of progress.

    Raises:
        NetworkError, HubError: As the backend; `hub-newer`.

    """
    check_format(hub.objects)
    return _Check(hub, settings, deep=deep, repair=repair, reporter=reporter).run()


class _Check:
    """One check. `run` it once."""

    def __init__(self, hub: Hub, settings: Settings, *, deep: bool, repair: bool, reporter: Reporter) -> None:
        self._hub = hub
        self._objects = hub.objects
        self._threads = settings.downloads
        self._repair = repair
        self._reporter = reporter
        self._contents = Contents(hub, deep=deep)
        self._changes = 0
        self._elsewhere = 0

    def run(self) -> HubCheck:
        names = self._hub.environments()
        task = self._reporter.begin("checking environments", total=len(names))
        faults: list[Fault] = []
        for name in sorted(names):
            faults += self._environment(name, names[name])
            task.advance()
        task.finish()
        packages = self._packages()
        faults += [*packages[1], *self._pointers(), *self._index()]
        if self._repair:
            self._objects.delete([object_key(blob.sha256) for blob in self._contents.damaged])
            self._objects.settle()
        return HubCheck(
            environments=len(names),
            changes=self._changes,
            elsewhere=self._elsewhere,
            packages=packages[0],
            objects=self._contents.count,
            bytes_read=self._contents.bytes_read,
            faults=tuple(faults),
        )

    def _environment(self, name: str, last: int) -> Iterator[Fault]:
        """Yield what is wrong with an environment, in the order of its changes."""
        read = side_by_side(lambda number: self._read(name, number), range(1, last + 1), threads=self._threads)
        self._changes += last
        yield from (fault for fault in read if isinstance(fault, Fault))
        for before, after in itertools.pairwise(read):
            if isinstance(before, Recorded) and isinstance(after, Recorded) and after.change.parent != before.sha256:
                number = after.change.number
                yield Fault(where=f"{name}, change {number}", what="it did not follow the change before it")
        recorded = [found for found in read if isinstance(found, Recorded)]
        elsewhere = Log(self._objects, elsewhere_prefix(name), name).numbers()
        self._elsewhere += len(elsewhere)
        for found in recorded:
            yield from self._named(found, elsewhere)
        yield from self._digests(recorded)

    def _read(self, name: str, number: int) -> Recorded | Fault:
        try:
            return self._hub.recorded(name, number)
        except NetworkError:
            raise
        except NotFoundError:
            return Fault(where=f"{name}, change {number}", what=f"{change_key(name, number)} is not on the hub")
        except (IntegrityError, HubError) as error:
            why = f": {error.why}" if error.why else ""
            return Fault(where=f"{name}, change {number}", what=f"{error.message}{why} ({change_key(name, number)})")

    def _named(self, recorded: Recorded, elsewhere: Container[int]) -> Iterator[Fault]:
        """Yield what is wrong with the objects that a change names; pushes only, as switches repeat them."""
        change = recorded.change
        if change.kind == "push":
            for what in self._contents.faults(change, elsewhere=change.generation in elsewhere):
                yield Fault(where=f"{change.environment}, generation {change.generation}", what=what)

    def _digests(self, recorded: list[Recorded]) -> Iterator[Fault]:
        for found in recorded:
            change = found.change
            if change.kind == "push" and not self._leads(change.environment, change.digest, recorded):
                yield self._derived(
                    where=f"{change.environment}, generation {change.generation}",
                    what="its digest does not lead to it",
                    key=digest_key(change.environment, change.digest),
                    data=str(change.number).encode(),
                )

    def _leads(self, environment: str, digest: str, recorded: list[Recorded]) -> bool:
        """Tell whether what is derived of a digest names a change with it."""
        try:
            number = int(self._objects.get(digest_key(environment, digest), limit_bytes=_DIGEST_MAX_BYTES))
        except (NotFoundError, ValueError, HubError):
            return False
        return any(found.change.number == number and found.change.digest == digest for found in recorded)

    def _derived(self, *, where: str, what: str, key: str, data: bytes) -> Fault:
        repaired = False
        if self._repair:
            with suppress(HubError):  # a service writes what is derived itself
                self._objects.replace(key, data)
                repaired = True
        return Fault(where=where, what=what, repaired=repaired)

    def _packages(self) -> tuple[int, list[Fault]]:
        published, faults = PublishedPackages(self._objects), []
        names = sorted(published.names())
        for name in names:
            try:
                blobs = {blob for one in published.history(name) for blob in one.publication.blobs}
            except NetworkError:
                raise
            except BreakbulkError as error:
                faults.append(Fault(where=f"package {name}", what=f"{error.message}: {error.why}"))
                continue
            named = ((f"the archive {blob.sha256[:16]}", blob) for blob in blobs)
            faults += [Fault(where=f"package {name}", what=what) for what in self._contents.of(named)]
        return len(names), faults

    def _pointers(self) -> Iterator[Fault]:
        stats = list(self._objects.list(PREPARED))
        wrong = side_by_side(lambda stat: self._misleads(stat.key), stats, threads=self._threads)
        for stat in itertools.compress(stats, wrong):
            if self._repair:
                self._objects.delete([stat.key])
            yield Fault(where=stat.key, what="it leads to no object", repaired=self._repair)

    def _misleads(self, key: str) -> bool:
        try:
            blob = msgspec.json.decode(self._objects.get(key, limit_bytes=_POINTER_MAX_BYTES), type=Blob)
            stat = self._objects.stat(object_key(blob.sha256))
        except NotFoundError:
            return False  # gone meanwhile
        except (msgspec.MsgspecError, IntegrityError, HubError):
            return True
        return stat is None or stat.size != blob.size

    def _index(self) -> Iterator[Fault]:
        """Yield in what the index is not what the changes say; environments that cannot be read are left out."""
        wrong = self._index_fault()
        if wrong is None:
            return
        repaired = False
        if self._repair:
            with suppress(IntegrityError, HubError):
                rebuild(self._hub)
                repaired = True
        yield Fault(where="index", what=wrong, repaired=repaired)

    def _index_fault(self) -> str | None:
        try:
            listed = {summary.environment: summary.change for summary in index.read(self._objects)}
        except IntegrityError as error:
            return f"{error.message}: {error.where}"
        newest = self._hub.environments()  # after the index: a push meanwhile is ahead of it
        behind = sorted(name for name, number in newest.items() if listed.get(name, 0) < number)
        gone = sorted(listed.keys() - newest.keys())
        if behind:
            return f"it does not know the newest change of {', '.join(behind[:5])}"
        return f"it knows environments that are not there: {', '.join(gone[:5])}" if gone else None
