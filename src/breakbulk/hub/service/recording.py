"""Accept what came in for a key: check it, write it, and for a change do everything that follows from it.

An accepted change outlives a crash of the place before it is acknowledged, with everything it refers to; what is
derived from it is written here, so that no client has to be trusted with it. Blocking; counterpart: `objects_api`.
"""

from __future__ import annotations

import msgspec

from breakbulk.hub import index
from breakbulk.hub.format import ensure_format
from breakbulk.hub.layout import digest_key
from breakbulk.hub.records import Change, decode_recorded
from breakbulk.hub.service.audit import Entry
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.keys import Key
from breakbulk.hub.service.policy import Received
from breakbulk.hub.service.service import Service

__all__ = ["accept"]

_UNRECORDED = {"content", "prepared", "lease"}
"""What is not worth a line in the audit log by itself: it means nothing before a change refers to it."""


def accept(service: Service, caller: Caller, key: Key, received: Received, *, replace: bool, entry: Entry) -> bool:
    """Write an object; return False when there is one already. Raises what the policy and the place raise."""
    admitted = service.policy.admit(caller, key, received)
    if admitted is False:
        return False
    objects = service.hub.objects
    if replace:
        objects.replace(key.text, received.content())
        created = True
    else:
        if isinstance(admitted, Change):
            ensure_format(objects)
            objects.settle()  # what it refers to must outlive a crash if the change does
        created = objects.create(key.text, received.data)
    if created:
        service.metrics.received_bytes.inc(received.size)
        _follow(service, key, received, admitted, entry)
    return created


def _follow(service: Service, key: Key, received: Received, admitted: Change | bool, entry: Entry) -> None:
    if key.family in _UNRECORDED:
        return
    service.hub.objects.settle()
    if isinstance(admitted, Change):
        _derive(service, admitted, received)
        entry = msgspec.structs.replace(
            entry, detail=f"{admitted.kind} {admitted.environment}:{admitted.generation} {admitted.digest}"
        )
    service.audit.record(entry)


def _derive(service: Service, change: Change, received: Received) -> None:
    objects = service.hub.objects
    recorded = decode_recorded(
        received.content(), change.environment, environment=change.environment, number=change.number
    )
    objects.create(digest_key(change.environment, change.digest), str(change.number).encode())
    index.record(objects, change.summary(signed=bool(recorded.envelope.signatures)))
    service.metrics.changes.labels(change.kind).inc()
