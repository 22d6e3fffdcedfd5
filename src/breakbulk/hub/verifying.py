"""Check everything that a hub says of an environment, change by change: what `breakbulk verify` shows.

Of each change: that it is the one its successor followed, what its signatures are worth, that a switch repeats the push
it points to, that the lock is that of the digest, and that every object it names is there with its size, or, `deep`,
with its bytes. Nothing is believed of the rest because one part is right, and nothing ends the check: faults are
values, each with the change it is about. Counterparts: `contents`, for the objects; `trust`, which decides before a run
with few requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec

from breakbulk.errors import BreakbulkError, IntegrityError, NotFoundError
from breakbulk.hub.contents import Contents
from breakbulk.hub.hub import Hub
from breakbulk.hub.judging import Judged, Verifier
from breakbulk.hub.layout import change_key
from breakbulk.hub.names import Reference
from breakbulk.hub.policy import read_policy
from breakbulk.hub.records import Change, Recorded
from breakbulk.hub.seen import Histories, Sighting, has_lost
from breakbulk.reporting import SILENT, Reporter, Task
from breakbulk.settings import Settings

__all__ = ["CheckedChange", "Verification", "accept", "verify"]

_READERS = 16
_COPIED = ("digest", "lock", "manifest", "prepared", "archives")


class CheckedChange(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one change; `change` is None when it cannot be read."""

    number: int
    change: Change | None
    signatures: tuple[Judged, ...] = ()
    faults: tuple[str, ...] = ()


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome.

    Attributes:
        environment: `owner/name`.
        changes: Those that were looked at, oldest first.
        faults: What is wrong with the whole.
        required: Whether signatures are required here, and on the hub.
        objects: How many objects were looked at.
        bytes_read: Of objects, when all were read.

    """

    environment: str
    changes: tuple[CheckedChange, ...]
    faults: tuple[str, ...]
    required: bool
    required_by_hub: bool
    objects: int
    bytes_read: int

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults and not any(checked.faults for checked in self.changes)


def verify(
    hub: Hub, reference: Reference, settings: Settings, *, deep: bool = False, reporter: Reporter = SILENT
) -> Verification:
    """Check an environment, or of a pinned reference the one generation with the history that follows it.

    Raises:
        NotFoundError: `environment-unknown`, `generation-unknown`.
        NetworkError, HubError: As the backend.

    """
    chosen = hub.resolve(reference).change.number if reference.pinned else None
    last = hub.last_number(reference.environment)
    if not last:
        hub.resolve(reference)  # says what there is instead
    history = _History(hub, reference.environment, range(chosen or 1, last + 1))
    contents = Contents(hub, deep=deep)
    verifier = Verifier(hub, settings, changes=history.recorded)
    numbers = [chosen] if chosen else list(history.numbers)
    task = reporter.begin("verifying", total=len(numbers))
    checked = tuple(_checked(history, contents, verifier, number, task) for number in numbers)
    task.finish()
    return Verification(
        environment=reference.environment,
        changes=checked,
        faults=(*_lost(hub, history, settings), *(history.links if chosen else ())),
        required=verifier.required,
        required_by_hub=read_policy(hub.objects).require_signatures,
        objects=contents.count,
        bytes_read=contents.bytes_read,
    )


def accept(hub: Hub, environment: str, settings: Settings) -> tuple[Sighting | None, Recorded]:
    """Take what the hub says now of an environment for the truth; return what was seen before, and what is now.

    Raises:
        NotFoundError: `environment-unknown`.
        IntegrityError: As `Hub.resolve`; the change is not signed as it has to be.
        OSError: It cannot be remembered.

    """
    owner, _, name = environment.partition("/")
    newest = hub.resolve(Reference(owner=owner, name=name))
    Verifier(hub, settings).check(newest)
    histories = Histories(settings.store, hub.url)
    try:
        before = histories.last(environment)
    except IntegrityError:
        before = None
    histories.accept(environment, Sighting.of(newest))
    return before, newest


class _History:
    """The changes of an environment, each as it was read or with what is wrong with it."""

    def __init__(self, hub: Hub, environment: str, numbers: range) -> None:
        self._hub = hub
        self.environment = environment
        self.numbers = numbers
        with ThreadPoolExecutor(_READERS) as readers:
            self._found: Mapping[int, Recorded | BreakbulkError] = dict(
                zip(numbers, readers.map(self._read, numbers), strict=True)
            )

    def _read(self, number: int) -> Recorded | BreakbulkError:
        try:
            return self._hub.recorded(self.environment, number)
        except (IntegrityError, NotFoundError) as error:
            return error

    def get(self, number: int) -> Recorded | BreakbulkError:
        """Return a change, or why it cannot be read."""
        return self._found[number]

    def recorded(self, environment: str, number: int) -> Recorded:
        """Return a change, from what was read where it was; raise what reading it raised."""
        found = self._found.get(number) if environment == self.environment else None
        if isinstance(found, BreakbulkError):
            raise found
        return found or self._hub.recorded(environment, number)

    def link(self, number: int) -> str | None:
        """Say what is wrong between a change and the one before it."""
        before, after = self._found.get(number - 1), self._found[number]
        if isinstance(after, BreakbulkError) or isinstance(before, BreakbulkError) or before is None:
            return None
        change = after.change
        if change.parent != before.sha256:
            return f"change {number} did not follow change {number - 1} as that is now"
        if change.previous != before.change.generation:
            return f"it says that generation {change.previous} was live before, and it was {before.change.generation}"
        if change.generations != before.change.generations + (change.kind == "push"):
            return f"it counts {change.generations} generations after {before.change.generations}"
        return None

    @property
    def links(self) -> tuple[str, ...]:
        """What is wrong between any two changes."""
        found = self._found.items()
        unread = (f"change {number}: {error.message}" for number, error in found if isinstance(error, BreakbulkError))
        return (*unread, *filter(None, map(self.link, self.numbers)))

    def push_of(self, generation: int) -> Change | None:
        """Return the push of a generation, None when it is not to be found."""
        for found in self._found.values():
            if not isinstance(found, BreakbulkError):
                change = found.change
                if change.kind == "push" and change.generation == generation:
                    return change
        return None


def _checked(history: _History, contents: Contents, verifier: Verifier, number: int, task: Task) -> CheckedChange:
    found = history.get(number)
    task.advance()
    if isinstance(found, BreakbulkError):
        missing = isinstance(found, NotFoundError)
        why = "it is not on the hub" if missing else f"{found.message}: {found.why}"
        return CheckedChange(number=number, change=None, faults=(f"{why} ({change_key(history.environment, number)})",))
    signatures = verifier.judge(found)
    faults = (
        *filter(None, (history.link(number),)),
        *_signature_faults(signatures, required=verifier.required),
        *_repeat_faults(history, found.change),
        *contents.faults(found.change),
    )
    return CheckedChange(number=number, change=found.change, signatures=signatures, faults=faults)


def _signature_faults(signatures: tuple[Judged, ...], *, required: bool) -> Iterator[str]:
    for judged in signatures:
        if judged.verdict == "invalid":
            yield f"the signature of {judged.name or judged.key_id} is wrong"
    if required and not any(judged.verdict == "good" for judged in signatures):
        yield "nobody has signed it whom this machine believes"


def _repeat_faults(history: _History, change: Change) -> Iterator[str]:
    """Yield in what a switch or rollback is not the push that it points to."""
    if change.kind == "push":
        return
    pushed = history.push_of(change.generation)
    if pushed is not None:
        for name in _COPIED:
            if getattr(change, name) != getattr(pushed, name):
                yield f"its {name} is not that of generation {change.generation}"
    elif history.numbers.start == 1:
        yield f"generation {change.generation}, which it makes live, was never pushed"


def _lost(hub: Hub, history: _History, settings: Settings) -> Iterator[str]:
    """Yield what the hub has taken back of what this machine saw."""
    if not history.numbers:
        return
    newest = history.get(history.numbers[-1])
    try:
        seen = Histories(settings.store, hub.url).last(history.environment)
        if seen and not isinstance(newest, BreakbulkError) and (lost := has_lost(hub, newest, seen)):
            yield f"the hub has taken back what it said: {lost}"
    except IntegrityError as error:
        yield f"{error.message}: {error.why}"
