"""The index of a hub: what lists and searches show of all environments, with few requests however many there are.

    index/snapshots/<n>    what was known when it was written
    index/journal/*        one summary per change since

Whoever records a change adds a journal entry, and once there are more than 64 of them writes the next snapshot: only
the winner of its conditional create removes the entries it took in, so an entry is gone only when a snapshot has it.
Readers list the journal *before* the snapshots: what is not in the journal any more is then in a snapshot they see. Of
two summaries of one environment the one with the higher change number holds, so it does not matter who reads or writes
what first, and no clock counts.

The index is derived: what a killed pusher did not write is missing until the environment's next change, or until
`reindexing.rebuild`. Nothing that runs is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from breakbulk.errors import HubError, IntegrityError, NotFoundError
from breakbulk.hub.layout import JOURNAL, SNAPSHOTS, journal_key, snapshot_key
from breakbulk.hub.log import Log
from breakbulk.hub.objects import Objects
from breakbulk.hub.records import Summary
from breakbulk.store.milestones import passed

__all__ = ["JOURNAL_MAX", "Listed", "compact", "listed", "merged", "publish", "read", "record"]

JOURNAL_MAX = 64
"""Entries beyond which a pusher writes a snapshot: as many as a reader gets in about one round trip."""

_TRIES = 20
_READERS = 32
_SNAPSHOT_MAX_BYTES = 1 << 30
_ENTRY_MAX_BYTES = 1 << 20


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of an index: the keys of the journal, and the number of the newest snapshot (0: none)."""

    journal: tuple[str, ...]
    snapshot: int


def read(objects: Objects) -> tuple[Summary, ...]:
    """Return the summaries of all environments, by name.

    Raises:
        IntegrityError: `index-damaged`.
        HubError: `hub-contended`, it changed again and again while it was read.

    """
    for _ in range(_TRIES):
        try:
            return _gathered(objects, listed(objects))
        except NotFoundError:
            continue  # compacted between the list and the reading: what is missing is in a newer snapshot
    raise HubError(
        "the index of the hub changed each time it was read",
        identifier="hub-contended",
        where=objects.url,
        hint="run the command again",
    )


def record(objects: Objects, summary: Summary) -> None:
    """Add what an environment has become; write a snapshot when the journal has grown long."""
    objects.create(journal_key(summary.environment, summary.change), msgspec.json.encode(summary))
    passed("index-journal-written")
    if sum(1 for _ in objects.list(JOURNAL)) > JOURNAL_MAX:
        compact(objects)


def compact(objects: Objects) -> bool:
    """Write the next snapshot from the newest one and the journal; return False when somebody else did."""
    found = listed(objects)
    try:
        summaries = _gathered(objects, found)
    except NotFoundError:
        return False
    return publish(objects, found, summaries)


def publish(objects: Objects, found: Listed, summaries: Iterable[Summary]) -> bool:
    """Write `summaries`, which have what was `found`, as the next snapshot; return False when there is one by now."""
    number = found.snapshot + 1
    log = _snapshots(objects)
    if not log.create(number, _encoded(summaries)):
        return False
    passed("index-snapshot-written")
    snapshots = log.numbers()
    if max(snapshots) == number:  # else we are so late that this number had been removed already
        objects.delete(found.journal)
        passed("index-journal-removed")
        objects.delete([snapshot_key(old) for old in snapshots if old < number - 1])
    return True


def listed(objects: Objects) -> Listed:
    """Return what there is now: two requests, the journal first."""
    journal = tuple(stat.key for stat in objects.list(JOURNAL))
    return Listed(journal=journal, snapshot=_snapshots(objects).last_number())


def merged(summaries: Iterable[Summary]) -> tuple[Summary, ...]:
    """Return the newest summary of each environment, by name; their order does not matter."""
    newest: dict[str, Summary] = {}
    for summary in summaries:
        known = newest.get(summary.environment)
        if known is None or summary.change > known.change:
            newest[summary.environment] = summary
    return tuple(newest[name] for name in sorted(newest))


def _gathered(objects: Objects, found: Listed) -> tuple[Summary, ...]:
    """Return all summaries; raise `NotFoundError` when something that was listed is gone."""
    summaries = _decoded(objects, found.snapshot) if found.snapshot else []
    if not found.journal:
        return tuple(summaries)
    from concurrent.futures import ThreadPoolExecutor  # not for a rollback

    with ThreadPoolExecutor(min(_READERS, len(found.journal))) as readers:
        summaries += readers.map(lambda key: _entry(objects, key), found.journal)
    return merged(summaries)


def _entry(objects: Objects, key: str) -> Summary:
    data = objects.get(key, limit_bytes=_ENTRY_MAX_BYTES)
    try:
        summary = msgspec.json.decode(data, type=Summary)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _damaged(objects, key, str(error)) from error
    if journal_key(summary.environment, summary.change) != key:
        raise _damaged(objects, key, f"it is about change {summary.change} of {summary.environment}")
    return summary


def _encoded(summaries: Iterable[Summary]) -> bytes:
    import zstandard  # most pushes write no snapshot

    return zstandard.ZstdCompressor().compress(msgspec.json.encode(list(summaries)))


def _decoded(objects: Objects, number: int) -> list[Summary]:
    import zstandard

    key = snapshot_key(number)
    data = objects.get(key, limit_bytes=_SNAPSHOT_MAX_BYTES)
    try:
        if zstandard.frame_content_size(data) > _SNAPSHOT_MAX_BYTES:
            raise _damaged(objects, key, "it says that it is larger than any index")
        return msgspec.json.decode(zstandard.ZstdDecompressor().decompress(data), type=list[Summary])
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise _damaged(objects, key, str(error)) from error


def _snapshots(objects: Objects) -> Log:
    return Log(objects, SNAPSHOTS, "the index")


def _damaged(objects: Objects, key: str, why: str) -> IntegrityError:
    return IntegrityError(
        "the index of the hub is damaged",
        identifier="index-damaged",
        where=f"{objects.url}/{key}",
        why=why,
        hint="`breakbulk hub check --repair` writes it anew from the environments; they are not affected",
    )
