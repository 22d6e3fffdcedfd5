"""The cluster of a node agent on Kubernetes: watch, events, conditions, labels. `kubernetes` does it.

Pods are followed by the name of their node, so that what kubelet may see is enough. Counterpart: `cluster`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping

from breakbulk.errors import BreakbulkError
from breakbulk.kubernetes import status
from breakbulk.kubernetes.connection import Connection
from breakbulk.kubernetes.events import Emitter
from breakbulk.kubernetes.kinds import NODE, POD, ObjectReference
from breakbulk.kubernetes.objects import AGENT
from breakbulk.kubernetes.reflector import Reflector
from breakbulk.node.agent.cluster import Condition, PodEvent, Weight
from breakbulk.node.agent.pods import Pod, pod_of
from breakbulk.node.annotations import PREFIXES

__all__ = ["KubernetesSide"]

_LOG = logging.getLogger(__name__)
_FLUSH_S = 1.0


class KubernetesSide:
    """A cluster as one of its nodes sees it. `run` has to run beside everything else.

    Args:
        connection: To the API server.
        node: Name of the node.

    """

    def __init__(self, connection: Connection, node: str) -> None:
        self._connection = connection
        self._node = node
        self._emitter = Emitter(connection, component=AGENT, host=node, troubled=_log)
        self._reflector = Reflector(connection, POD, pod_of, fields=f"spec.nodeName={node}", troubled=_log)

    async def run(self) -> None:
        """Write events until cancelled, and then for a moment more."""
        try:
            await self._emitter.run()
        finally:
            await self._emitter.flush(_FLUSH_S)

    async def pods(self) -> AsyncIterator[PodEvent]:
        """Yield what happens to the pods of this node, for ever."""
        async for change in self._reflector.changes():
            yield PodEvent(kind=change.what, pod=change.object)

    async def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod as it is now, None when there is none; raise `ClusterError`."""
        found = await self._connection.find(POD.path(namespace, name))
        return None if found is None else pod_of(found)

    def event(self, pod: Pod, weight: Weight, reason: str, message: str) -> None:
        """Tell whoever looks at a pod."""
        self._emitter.event(_reference(pod), weight, reason, message)

    async def set_pod_condition(self, pod: Pod, condition: Condition) -> None:
        """Set a condition of a pod; raise `ClusterError`."""
        await status.set_pod_condition(self._connection, _reference(pod), _condition(condition))

    async def runtimes(self) -> frozenset[str] | None:
        """Return what kubelet sees; containerd 1.7 tells it nothing. Raises `ClusterError`."""
        found = await self._connection.find(NODE.path(name=self._node)) or {}
        told = found.get("status", {}).get("runtimeHandlers")
        return frozenset(each.get("name", "") for each in told) if told else None

    async def set_node(self, labels: Mapping[str, str], annotations: Mapping[str, str], condition: Condition) -> None:
        """Set labels, annotations and a condition of this node; raise `ClusterError`."""
        await status.set_node_metadata(self._connection, self._node, labels=labels, annotations=annotations)
        await status.set_node_condition(self._connection, self._node, _condition(condition))

    async def forget_node(self, condition: str) -> None:
        """Remove our labels and annotations from this node, and its condition of this type; raise `ClusterError`."""
        await status.forget_node(self._connection, self._node, prefix=PREFIXES[0], condition=condition)


def _reference(pod: Pod) -> ObjectReference:
    return ObjectReference(
        api_version=POD.api_version, kind=POD.name, namespace=pod.namespace, name=pod.name, uid=pod.object_uid or ""
    )


def _condition(condition: Condition) -> status.Condition:
    return status.Condition(
        type=condition.type, status=condition.status, reason=condition.reason, message=condition.message
    )


def _log(error: BreakbulkError) -> None:
    _LOG.warning("%s", error)
