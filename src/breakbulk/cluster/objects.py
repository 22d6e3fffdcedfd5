"""What a native cluster needs in its API server besides what that brings along: the rights of its name server. Pure."""

from __future__ import annotations

from typing import Any

from breakbulk.cluster.control_plane import COREDNS_USER

__all__ = ["cluster_objects"]

_GROUP = "rbac.authorization.k8s.io"


def cluster_objects() -> list[dict[str, Any]]:
    """Return the objects, ready to be applied; what CoreDNS may read is what its kubernetes plugin asks for."""
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces", "endpoints"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": COREDNS_USER},
        "rules": rules,
    }
    binding = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": COREDNS_USER},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": COREDNS_USER},
        "subjects": [{"kind": "User", "apiGroup": _GROUP, "name": COREDNS_USER}],
    }
    return [role, binding]
