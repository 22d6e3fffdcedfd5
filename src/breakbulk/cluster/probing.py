"""Looks whether a component is ready, and what the API server says of nodes; nothing is kept between two looks.

Certificates are checked both ways, as a port may have gone to somebody else.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from breakbulk.cluster.blueprint import Blueprint, Probe
from breakbulk.cluster.credentials import ADMINISTRATOR
from breakbulk.cluster.model import NodeStatus
from breakbulk.cluster.node_reports import node_status

__all__ = ["Observer"]

_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Observer:
    """Whoever looks at one cluster, as its administrator."""

    plan: Blueprint

    def complaint(self, probe: Probe) -> str | None:
        """Return why a component is not ready, None when it is."""
        try:
            if probe.socket is not None:
                return _connect(probe.socket)
            status, body = self._get(probe.url, is_etcd=probe.is_etcd)
        except (OSError, http.client.HTTPException) as error:
            return f"{probe.url or probe.socket}: {error}"
        return None if status == 200 else f"{probe.url}: HTTP {status}, {body[:300].decode(errors='replace')}"

    def read(self, path: str) -> Mapping[str, Any] | None:
        """Return an object of the API server, None when there is none or nobody answers."""
        try:
            status, body = self._get(self.plan.server + path)
            return msgspec.json.decode(body, type=dict[str, Any]) if status == 200 else None
        except (OSError, http.client.HTTPException, msgspec.MsgspecError):
            return None

    def node_status(self, name: str) -> NodeStatus:
        """Return what the API server knows of a node."""
        node = self.read(f"/api/v1/nodes/{name}")
        if node is None:
            return NodeStatus(name=name, is_ready=False, why="the API server does not know it")
        return node_status(node)

    def _get(self, url: str, *, is_etcd: bool = False) -> tuple[int, bytes]:
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, parts.netloc, is_etcd=is_etcd)
        try:
            connection.request("GET", parts.path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _connection(self, scheme: str, address: str, *, is_etcd: bool) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
        return http.client.HTTPSConnection(address, timeout=_TIMEOUT_S, context=self._context(is_etcd=is_etcd))

    def _context(self, *, is_etcd: bool) -> ssl.SSLContext:
        keys = self.plan.place.certificates
        directory, user = (keys / "etcd", "apiserver") if is_etcd else (keys, ADMINISTRATOR)
        context = ssl.create_default_context(cafile=str(directory / "ca.crt"))
        context.load_cert_chain(directory / f"{user}.crt", directory / f"{user}.key")
        return context


def _connect(path: Path) -> str | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_TIMEOUT_S)
        client.connect(str(path))
    return None
