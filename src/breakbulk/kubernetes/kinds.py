"""Kinds of objects and where the API has them. Pure.

Paths are those of kubernetes.io/docs/reference/using-api/api-concepts. What is not listed here is asked of the server
(`discovery`), so that `apply` takes whatever a manifest has.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

__all__ = [
    "EVENT",
    "JOB",
    "NAMESPACE",
    "NODE",
    "POD",
    "REPLICA_SET",
    "RUNTIME_CLASS",
    "Kind",
    "ObjectReference",
    "group_path",
    "reference_to",
]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of objects.

    Attributes:
        api_version: `v1`, `apps/v1`.
        name: `Pod`.
        plural: `pods`, as in paths.
        namespaced: Whether its objects live in namespaces.

    """

    api_version: str
    name: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of an object, or of all objects (of a namespace, where one is given)."""
        parts = [group_path(self.api_version)]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


class ObjectReference(msgspec.Struct, frozen=True, kw_only=True):
    """One object, this one and not a later one of its name.

    Attributes:
        api_version: `v1`.
        kind: `Pod`.
        name: Of the object.
        namespace: Empty for objects of the cluster.
        uid: Of the object.

    """

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""


def group_path(api_version: str) -> str:
    """Return where a version of a group of the API is: `/api/v1`, `/apis/apps/v1`."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def reference_to(found: dict[str, Any], kind: Kind) -> ObjectReference:
    """Return the reference to an object; lists leave kind and version out of their items, so they are given."""
    metadata = found["metadata"]
    return ObjectReference(
        api_version=kind.api_version,
        kind=kind.name,
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
        uid=metadata.get("uid", ""),
    )


POD = Kind(api_version="v1", name="Pod", plural="pods")
NODE = Kind(api_version="v1", name="Node", plural="nodes", namespaced=False)
NAMESPACE = Kind(api_version="v1", name="Namespace", plural="namespaces", namespaced=False)
EVENT = Kind(api_version="v1", name="Event", plural="events")
REPLICA_SET = Kind(api_version="apps/v1", name="ReplicaSet", plural="replicasets")
JOB = Kind(api_version="batch/v1", name="Job", plural="jobs")
RUNTIME_CLASS = Kind(api_version="node.k8s.io/v1", name="RuntimeClass", plural="runtimeclasses", namespaced=False)
