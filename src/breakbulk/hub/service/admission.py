"""Whether a change may become the next one of an environment: what a service checks that a directory cannot.

A directory takes whatever a pusher writes, and machines that run it find out. Here a change is compared with the one
before it, with the objects it names, and with the token it came with. Counterpart: `policy`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from breakbulk.errors import BreakbulkError, HubError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key, publication_key
from breakbulk.hub.names import Reference
from breakbulk.hub.packages import RecordedPublication, decode_publication
from breakbulk.hub.records import Blob, Change, Recorded, decode_recorded
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.keys import Key

__all__ = ["CheckSigned", "admit_change", "admit_publication"]

CheckSigned = Callable[[Recorded | RecordedPublication], None]
"""Raises where the hub wants a signature that a record does not have."""


def admit_change(hub: Hub, key: Key, data: bytes, caller: Caller, check_signed: CheckSigned) -> Change | bool:
    """Return the change in `data` if it may be recorded under `key`; False when that number is taken already.

    Raises:
        IntegrityError: `change-damaged`.
        HubError: `change-refused`, `author-forged`, `token-scope`, or what `check_signed` raises.

    """
    recorded = decode_recorded(data, key.text, environment=key.subject, number=key.number or 0)
    change = recorded.change
    caller.check("push" if change.kind == "push" else "switch", key.owner)
    _check_author(change.author, f"{change.environment}, change {change.number}", caller)
    current = hub.current(change.environment)
    if current is not None and change.number <= current.change.number:
        return False
    _check_succession(key, change, current)
    if change.kind == "push":
        _check_references(hub, key, change)
    else:
        _check_repeats(hub, key, change)
    check_signed(recorded)
    return change


def admit_publication(hub: Hub, key: Key, data: bytes, caller: Caller, check_signed: CheckSigned) -> bool:
    """Say whether the publication in `data` may be recorded under `key`; False when that number is taken already.

    Raises:
        IntegrityError: `change-damaged`.
        HubError: `change-refused`, `author-forged`, or what `check_signed` raises.

    """
    number = key.number or 0
    recorded = decode_publication(data, key.text, package=key.subject, number=number)
    publication = recorded.publication
    _check_author(publication.author, f"{key.subject}, change {number}", caller)
    if hub.objects.stat(key.text) is not None:
        return False
    before = hub.objects.get(publication_key(key.subject, number - 1)) if number > 1 else None
    if publication.parent != (hashlib.sha256(before).hexdigest() if before is not None else None):
        raise _refused(key, "its parent is not the change before it")
    _check_present(hub, key, publication.blobs)
    check_signed(recorded)
    return True


def _check_author(author: str, where: str, caller: Caller) -> None:
    """Refuse changes in somebody else's name; whoever may administer a hub restores others' from a mirror."""
    if author != caller.subject and not caller.permits("admin"):
        raise HubError(
            f"this token is {caller.subject}'s, and the change says that {author} made it",
            identifier="author-forged",
            where=where,
            hint="leave the author out: it is that of the token",
        )


def _check_succession(key: Key, change: Change, current: Recorded | None) -> None:
    before = current.change if current else None
    pushed = change.kind == "push"
    expected = {
        "number": before.number + 1 if before else 1,
        "parent": current.sha256 if current else None,
        "previous": before.generation if before else None,
        "generations": (before.generations if before else 0) + pushed,
    }
    for name, value in expected.items():
        if getattr(change, name) != value:
            raise _refused(key, f"its {name} is {getattr(change, name)}, that of the next change is {value}")
    if change.generation != change.generations if pushed else not 1 <= change.generation <= change.generations:
        raise _refused(key, f"it makes generation {change.generation} of {change.generations} live")


def _check_references(hub: Hub, key: Key, change: Change) -> None:
    _check_present(hub, key, _blobs(change))
    try:
        hub.lock(change)
    except BreakbulkError as error:
        raise _refused(key, str(error)) from error


def _check_present(hub: Hub, key: Key, blobs: Iterable[Blob]) -> None:
    for blob in blobs:
        stat = hub.objects.stat(object_key(blob.sha256))
        if stat is None or stat.size != blob.size:
            raise _refused(key, f"the object {blob.sha256} of {blob.size} bytes, which it names, is not here")


def _blobs(change: Change) -> Iterator[Blob]:
    yield change.lock
    yield from change.prepared.values()
    yield from change.archives
    if change.manifest is not None:
        yield change.manifest


def _check_repeats(hub: Hub, key: Key, change: Change) -> None:
    """Compare a switch with the push of the generation that it makes live."""
    owner, _, name = change.environment.partition("/")
    pushed = hub.resolve(Reference(owner=owner, name=name, generation=change.generation)).change
    for name in ("digest", "lock", "manifest", "prepared", "archives"):
        if getattr(change, name) != getattr(pushed, name):
            raise _refused(key, f"its {name} is not that of generation {change.generation}")


def _refused(key: Key, why: str) -> HubError:
    return HubError(
        "the hub does not accept this change",
        identifier="change-refused",
        where=f"{key.subject}, change {key.number}",
        why=why,
        hint="run the command again: it begins with what the hub has now",
    )
