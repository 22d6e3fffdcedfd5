"""What the agent needs of a cluster, and no more: its pods, and somebody to tell.

Nothing here waits for the agent, and the agent waits for nothing here: what cannot be told is told later, or never.
Counterpart: `cluster_side`, which is this on Kubernetes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol

import msgspec

from breakbulk.node.agent.pods import Pod

__all__ = ["Cluster", "Condition", "PodEvent", "Weight"]

Weight = Literal["Normal", "Warning"]


class PodEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a pod of this node; `synced` after every complete list, without a pod."""

    kind: Literal["added", "changed", "deleted", "synced"]
    pod: Pod | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A condition of a pod or a node."""

    type: str
    status: bool
    reason: str
    message: str


class Cluster(Protocol):
    """A cluster as one of its nodes sees it."""

    def pods(self) -> AsyncIterator[PodEvent]:
        """Yield what happens to the pods of this node, for ever."""

    async def pod(self, namespace: str, name: str) -> Pod | None:
        """Return a pod as it is now, None when there is none; raise `ClusterError`."""

    def event(self, pod: Pod, weight: Weight, reason: str, message: str) -> None:
        """Tell whoever looks at a pod."""

    async def set_pod_condition(self, pod: Pod, condition: Condition) -> None:
        """Set a condition of a pod; raise `ClusterError`."""

    async def runtimes(self) -> frozenset[str] | None:
        """Return the runtimes that kubelet sees on this node, None when it does not say; raise `ClusterError`."""

    async def set_node(self, labels: Mapping[str, str], annotations: Mapping[str, str], condition: Condition) -> None:
        """Set labels, annotations and a condition of this node; raise `ClusterError`."""

    async def forget_node(self, condition: str) -> None:
        """Remove our labels and annotations from this node, and its condition of this type; raise `ClusterError`."""
