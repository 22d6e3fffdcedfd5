"""Conditions, labels and annotations that a node agent writes on its pods and on its node.

Guarantees: only what is named is changed, whatever others write at the same time (patches, merged by the server); a pod
is changed only while it is this very pod (its uid goes with the patch); a condition keeps the time of its last change;
nothing is written that is already so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from breakbulk.kubernetes.connection import MERGE, STRATEGIC_MERGE, Connection, RefusedError
from breakbulk.kubernetes.events import shortened
from breakbulk.kubernetes.kinds import NODE, POD, ObjectReference

__all__ = [
    "Condition",
    "condition_patch",
    "forget_node",
    "forgetting_patches",
    "metadata_patch",
    "set_node_condition",
    "set_node_metadata",
    "set_pod_condition",
]

_MESSAGE_BYTES = 4096
_ANOTHER_ONE = frozenset({404, 409})
"""The object is gone, or another one has its name now."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A condition of a pod or node.

    Attributes:
        type: `breakbulk.dev/EnvironmentReady`.
        status: None when nobody knows.
        reason: One word in CamelCase.
        message: What a person reads.

    """

    type: str
    status: bool | None
    reason: str
    message: str = ""


async def set_pod_condition(connection: Connection, pod: ObjectReference, condition: Condition) -> bool:
    """Set a condition of a pod; return False when that pod is no longer there. Raises `ClusterError`."""
    path = POD.path(pod.namespace, pod.name)
    found = await connection.find(path)
    if found is None or found["metadata"]["uid"] != pod.uid:
        return False
    return await _patched(connection, f"{path}/status", found, condition)


async def set_node_condition(connection: Connection, node: str, condition: Condition) -> bool:
    """Set a condition of a node; return False when there is no such node. Raises `ClusterError`."""
    path = NODE.path(name=node)
    found = await connection.find(path)
    return found is not None and await _patched(connection, f"{path}/status", found, condition)


async def set_node_metadata(
    connection: Connection,
    node: str,
    *,
    labels: Mapping[str, str | None] | None = None,
    annotations: Mapping[str, str | None] | None = None,
) -> bool:
    """Set labels and annotations of a node, None removes one; False when there is no such node."""
    path = NODE.path(name=node)
    found = await connection.find(path)
    if found is None:
        return False
    patch = metadata_patch(found, labels or {}, annotations or {})
    if patch:
        await connection.request("PATCH", path, body=patch, media_type=MERGE)
    return True


async def forget_node(connection: Connection, node: str, *, prefix: str, condition: str) -> None:
    """Remove what was said of a node: labels and annotations of a prefix, one condition. Raises `ClusterError`."""
    path = NODE.path(name=node)
    found = await connection.find(path)
    if found is None:
        return
    metadata, status = forgetting_patches(found, prefix, condition)
    if metadata:
        await connection.request("PATCH", path, body=metadata, media_type=MERGE)
    if status:
        await connection.request("PATCH", f"{path}/status", body=status, media_type=STRATEGIC_MERGE)


def condition_patch(found: Mapping[str, Any], condition: Condition, now: datetime) -> dict[str, Any] | None:
    """Return the strategic merge patch of `status` that sets a condition; None when it is already so. Pure."""
    known = found.get("status", {}).get("conditions") or ()
    before: Mapping[str, Any] = next((each for each in known if each["type"] == condition.type), {})
    status = {True: "True", False: "False", None: "Unknown"}[condition.status]
    told = {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": shortened(condition.message, _MESSAGE_BYTES),
    }
    if all(before.get(key, "") == value for key, value in told.items()):
        return None
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "metadata": {"uid": found["metadata"]["uid"]},
        "status": {"conditions": [{**told, "lastTransitionTime": since or time}]},
    }


def metadata_patch(
    found: Mapping[str, Any], labels: Mapping[str, str | None], annotations: Mapping[str, str | None]
) -> dict[str, Any] | None:
    """Return the merge patch that sets labels and annotations; None when all is already so. Pure."""
    changed = {}
    for name, wanted in (("labels", labels), ("annotations", annotations)):
        known = found["metadata"].get(name) or {}
        if different := {key: value for key, value in wanted.items() if known.get(key) != value}:
            changed[name] = different
    return {"metadata": {"uid": found["metadata"]["uid"], **changed}} if changed else None


def forgetting_patches(
    found: Mapping[str, Any], prefix: str, condition: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return a merge patch and a strategic merge patch of `status`; None where there is nothing to remove. Pure."""
    ours = {
        field: {key: None for key in found["metadata"].get(field) or {} if key.startswith(prefix)}
        for field in ("labels", "annotations")
    }
    metadata = metadata_patch(found, ours["labels"], ours["annotations"])
    known = found.get("status", {}).get("conditions") or ()
    if all(each["type"] != condition for each in known):
        return metadata, None
    removed = {"$patch": "delete", "type": condition}
    return metadata, {"metadata": {"uid": found["metadata"]["uid"]}, "status": {"conditions": [removed]}}


async def _patched(connection: Connection, path: str, found: Mapping[str, Any], condition: Condition) -> bool:
    patch = condition_patch(found, condition, datetime.now(UTC))
    if patch is None:
        return True
    try:
        await connection.request("PATCH", path, body=patch, media_type=STRATEGIC_MERGE)
    except RefusedError as error:
        if error.status in _ANOTHER_ONE:
            return False
        raise
    return True
