"""What the agent keeps of a pod: little, as there are many, and everything else can be asked for.

A pod is an object of Kubernetes as JSON; a static pod is known to kubelet and to runtimes by the digest of its file,
which is an annotation of its mirror (kubernetes.io/config.hash). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from breakbulk.errors import UsageError
from breakbulk.node.annotations import CONTAINER_PREFIX, PREFIXES, PodAnnotations

__all__ = ["Pod", "pod_of"]

_OURS = (*PREFIXES, CONTAINER_PREFIX)
_MIRROR = "kubernetes.io/config.mirror"
_STATIC_UID = "kubernetes.io/config.hash"


class Pod(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pod that names environments, or should.

    Attributes:
        uid: As kubelet and the runtime know it.
        object_uid: As the API server knows it; another one for a static pod, None where it has not been asked yet.
        namespace: Of the pod.
        name: Of the pod.
        annotations: Ours alone.
        priority: The higher, the sooner.
        containers: All that are not ephemeral.
        owned: Containers whose user the pod names itself.
        grouped: Containers whose group the pod names itself.
        ephemeral: Containers that `kubectl debug` has added.
        strict: Whether its users are members of no groups but those that it names.
        ending: Whether it is being deleted: nothing more is started for it.
        ended: Whether it has run to its end: nothing of it is needed any more.

    """

    uid: str
    object_uid: str | None
    namespace: str
    name: str
    annotations: dict[str, str]
    priority: int = 0
    containers: tuple[str, ...] = ()
    owned: tuple[str, ...] = ()
    grouped: tuple[str, ...] = ()
    ephemeral: tuple[str, ...] = ()
    strict: bool = False
    ending: bool = False
    ended: bool = False

    def references(self) -> tuple[str, ...]:
        """Return every environment that it names, each once; raise `UsageError` `annotation-invalid`."""
        return PodAnnotations(self.annotations).references

    def is_ours(self) -> bool:
        """Say whether it names an environment, well or not."""
        try:
            return bool(self.references())
        except UsageError:
            return True

    def is_ephemeral(self, container: str) -> bool:
        """Say whether `kubectl debug` added a container, perhaps unseen yet; no two containers have one name."""
        return bool(self.containers) and container not in self.containers


def pod_of(document: Mapping[str, Any]) -> Pod:
    """Return what is kept of a pod; what cannot be read of a document is taken for absent."""
    metadata, specification = _table(document, "metadata"), _table(document, "spec")
    annotations = _table(metadata, "annotations")
    phase = _table(document, "status").get("phase")
    object_uid = str(metadata.get("uid", ""))
    return Pod(
        uid=str(annotations.get(_STATIC_UID) or object_uid) if _MIRROR in annotations else object_uid,
        object_uid=object_uid,
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        annotations={key: str(value) for key, value in annotations.items() if key.startswith(_OURS)},
        priority=_number(specification.get("priority")),
        containers=tuple(str(each.get("name")) for each in _containers(specification)),
        ephemeral=tuple(str(each.get("name")) for each in _tables(specification, "ephemeralContainers")),
        owned=tuple(_saying(specification, "runAsUser")),
        grouped=tuple(_saying(specification, "runAsGroup")),
        strict=_table(specification, "securityContext").get("supplementalGroupsPolicy") == "Strict",
        ending="deletionTimestamp" in metadata,
        ended=phase in {"Succeeded", "Failed"},
    )


def _saying(specification: Mapping[str, Any], word: str) -> Iterable[str]:
    """Yield the containers for which a security context, theirs or the pod's, has this."""
    whole = _table(specification, "securityContext").get(word) is not None
    for container in _containers(specification):
        if whole or _table(container, "securityContext").get(word) is not None:
            yield str(container.get("name"))


def _containers(specification: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*_tables(specification, "initContainers"), *_tables(specification, "containers")]


def _tables(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = document.get(key)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
