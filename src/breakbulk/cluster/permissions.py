"""Whether a cluster lets us make, change and remove what we are about to, asked before anything is made.

The API server answers for its authorizers (`SelfSubjectAccessReview`, as `kubectl auth can-i` does); admission, and
roles that hold more than their maker may, only show when something is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from breakbulk.cluster.belongings import Belonging
from breakbulk.errors import ClusterError
from breakbulk.kubernetes.apply import Objects
from breakbulk.kubernetes.connection import Connection

__all__ = ["check_permissions"]

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_VERBS = ("get", "create", "patch", "delete")


async def check_permissions(connection: Connection, belongings: Sequence[Belonging]) -> None:
    """Raise `ClusterError` (`cluster-forbidden`) that names everything that is not permitted."""
    objects = Objects(connection)
    asked = {}
    for one in belongings:
        kind = await objects.kind(one.identity)
        group = one.api_version.rpartition("/")[0]
        for verb in _VERBS:
            asked[verb, group, kind.plural, one.namespace] = _attributes(verb, group, kind.plural, one.namespace)
    denied = [what for what, attributes in asked.items() if not await _is_allowed(connection, attributes)]
    if denied:
        raise ClusterError(
            "the cluster does not permit all that is needed",
            identifier="cluster-forbidden",
            where=connection.server,
            why="not allowed: " + "; ".join(_worded(*what) for what in denied[:8]),
            hint="ask who keeps the cluster for these permissions, or for a kubeconfig of an administrator",
        )


async def _is_allowed(connection: Connection, attributes: dict[str, str]) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer: dict[str, Any] = await connection.request("POST", _REVIEWS, body=review)
    return bool((answer.get("status") or {}).get("allowed"))


def _attributes(verb: str, group: str, resource: str, namespace: str) -> dict[str, str]:
    return {"verb": verb, "group": group, "resource": resource} | ({"namespace": namespace} if namespace else {})


def _worded(verb: str, group: str, resource: str, namespace: str) -> str:
    name = f"{resource}.{group}" if group else resource
    return f"{verb} {name}" + (f" in {namespace}" if namespace else "")
