"""Apply objects to a cluster, and take exactly those away again: server-side apply under the name `breakbulk`.

Guarantees: applying twice changes nothing; fields that others own and we do not name stay; whatever we named before and
no longer name is removed by the server; deleting what is gone is no error. What others need comes first when applying
and goes last when deleting. kubernetes.io/docs/reference/using-api/server-side-apply
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.connection import APPLY, Connection, RefusedError
from breakbulk.kubernetes.kinds import Kind, group_path

__all__ = ["FIELD_MANAGER", "Applied", "Objects", "apply", "delete", "ordered"]

FIELD_MANAGER = "breakbulk"

_FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "RuntimeClass",
    "ServiceAccount",
    "ClusterRole",
    "Role",
)
_LAST = (
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicyBinding",
)
"""What keeps others from being made as long as it stands."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """An object, and what became of it."""

    kind: str
    name: str
    namespace: str = ""
    outcome: Literal["created", "changed", "unchanged", "deleted", "absent"]


class Objects:
    """Where objects are, as the server has their kinds (`APIResourceList` of each group and version).

    An object's own namespace decides, else that of the context.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, dict[str, Kind]] = {}

    async def path(self, wanted: Mapping[str, Any]) -> str:
        """Return the path of an object; raise `ClusterError`: `kind-unknown`."""
        return _path(self._connection, await self.kind(wanted), wanted)

    async def kind(self, wanted: Mapping[str, Any]) -> Kind:
        """Return the kind of an object; raise `ClusterError`: `kind-unknown`."""
        version, name = str(wanted["apiVersion"]), str(wanted["kind"])
        if name not in self._known.get(version, {}):
            self._known[version] = await self._asked(version)
        found = self._known[version].get(name)
        if found is None:
            raise ClusterError(
                f"the cluster knows no {name} of {version}",
                identifier="kind-unknown",
                where=self._connection.server,
                hint="is the cluster too old, or is what defines it not installed?",
            )
        return found

    async def _asked(self, version: str) -> dict[str, Kind]:
        answer = await self._connection.find(group_path(version)) or {}
        return {
            each["kind"]: Kind(
                api_version=version, name=each["kind"], plural=each["name"], namespaced=each["namespaced"]
            )
            for each in answer.get("resources") or ()
            if "/" not in each["name"]
        }


async def apply(
    connection: Connection, objects: Iterable[Mapping[str, Any]], *, dry_run: bool = False
) -> list[Applied]:
    """Make objects as they are given; an object's own namespace decides, else that of the context.

    Raises:
        ClusterError: `kind-unknown`, and as `Connection.request`; what was applied before stays.

    """
    kinds = Objects(connection)
    applied = []
    for wanted in ordered(objects):
        kind = await kinds.kind(wanted)
        path = _path(connection, kind, wanted)
        before = await connection.find(path)
        asked = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        now = await connection.request("PATCH", path, params=asked, body=wanted, media_type=APPLY)
        applied.append(_applied(kind, now["metadata"], _difference(before, now)))
    return applied


async def delete(connection: Connection, objects: Iterable[Mapping[str, Any]]) -> list[Applied]:
    """Delete objects and what they own; those that are gone are `absent`. Raises as `apply`."""
    kinds = Objects(connection)
    deleted = []
    for wanted in reversed(ordered(objects)):
        kind = await kinds.kind(wanted)
        metadata = {**wanted["metadata"], "namespace": _namespace(connection, kind, wanted)}
        try:
            await connection.request(
                "DELETE", _path(connection, kind, wanted), params={"propagationPolicy": "Background"}
            )
            deleted.append(_applied(kind, metadata, "deleted"))
        except RefusedError as error:
            if error.status != 404:
                raise
            deleted.append(_applied(kind, metadata, "absent"))
    return deleted


def ordered(objects: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return objects so that what others need comes first, otherwise as they are given. Pure."""

    def rank(wanted: Mapping[str, Any]) -> int:
        kind = wanted["kind"]
        if kind in _FIRST:
            return _FIRST.index(kind)
        return len(_FIRST) + (kind in _LAST)

    return sorted(objects, key=rank)


def _path(connection: Connection, kind: Kind, wanted: Mapping[str, Any]) -> str:
    return kind.path(_namespace(connection, kind, wanted), wanted["metadata"]["name"])


def _namespace(connection: Connection, kind: Kind, wanted: Mapping[str, Any]) -> str:
    return str(wanted["metadata"].get("namespace") or connection.namespace) if kind.namespaced else ""


def _difference(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Literal["created", "changed", "unchanged"]:
    if before is None:
        return "created"
    same = before["metadata"].get("resourceVersion") == now["metadata"].get("resourceVersion")
    return "unchanged" if same else "changed"


def _applied(
    kind: Kind,
    metadata: Mapping[str, Any],
    outcome: Literal["created", "changed", "unchanged", "deleted", "absent"],
) -> Applied:
    return Applied(kind=kind.name, name=metadata["name"], namespace=metadata.get("namespace") or "", outcome=outcome)
