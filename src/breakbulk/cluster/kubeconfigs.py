"""Files that tell a client where a cluster is and who it is itself: kubeconfigs, with keys inside.

https://kubernetes.io/docs/reference/config-api/kubeconfig.v1
"""

from __future__ import annotations

import base64

import yaml

__all__ = ["kubeconfig"]


def kubeconfig(cluster: str, server: str, user: str, *, authority: bytes, certificate: bytes, key: bytes) -> str:
    """Return a kubeconfig with one cluster, one user and one context, which is the current one.

    Args:
        cluster: Name of the cluster, and of the context.
        server: Address of the API server.
        user: Name of the user, in this file only.
        authority: Certificate (PEM) of who signed the server's.
        certificate: The user's (PEM).
        key: The user's (PEM).

    """
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": cluster, "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}
                ],
                "users": [
                    {
                        "name": user,
                        "user": {
                            "client-certificate-data": _base64(certificate),
                            "client-key-data": _base64(key),
                        },
                    }
                ],
                "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
                "current-context": cluster,
            },
            sort_keys=False,
        )
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
