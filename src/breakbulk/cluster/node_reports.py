"""What the API server says of a node, as the status that every driver shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakbulk.cluster.model import NodeStatus

__all__ = ["node_status"]


def node_status(node: Mapping[str, Any]) -> NodeStatus:
    """Return the status of a node (`v1.Node`); one that kubelet has not reported on is not ready."""
    status = node.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    addresses = [one["address"] for one in status.get("addresses") or () if one.get("type") == "InternalIP"]
    ready = conditions.get("Ready", {})
    is_ready = ready.get("status") == "True"
    return NodeStatus(
        name=node["metadata"]["name"],
        is_ready=is_ready,
        address=addresses[0] if addresses else None,
        version=(status.get("nodeInfo") or {}).get("kubeletVersion"),
        why=None if is_ready else ready.get("message", "kubelet has not reported yet"),
    )
