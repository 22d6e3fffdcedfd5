"""What the runtime handler asks the node agent, over a socket of this node that root alone may open.

One line of JSON each way, then the connection ends.

    {"format": 1, "prepare": {"uid": ..., "namespace": ..., "name": ..., "annotations": {...}}, "within_s": 90.0}
    {"ready": true}
    {"ready": false, "error": "environment-unknown", "message": "what; where; why; fix", "retry": true}

    {"format": 1, "ephemeral": {"uid": ..., "namespace": ..., "name": ..., "container": ...}}
    {"ephemeral": false}

`prepare` ends as soon as every environment of the pod is realised and its record is written (`records`), or cannot be,
or `within_s` seconds have passed; whoever asks for what is being realised already joins. Each side looks at who the
other is (`SO_PEERCRED`): a runtime is told what to mount, so nobody but root may answer.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["FORMAT", "LINE_MAX", "ask", "peer_is_root", "socket_path"]

FORMAT = 1
LINE_MAX = 1 << 20
"""Bytes of one line; Kubernetes allows annotations of 256 KiB in all."""

_PEER = struct.Struct("3i")


def socket_path(run: str) -> str:
    """Return where the agent listens."""
    return f"{run}/agent.sock"


def peer_is_root(connection: socket.socket) -> bool:
    """Say whether root, as this machine knows it, is at the other end; `SO_PEERCRED` of unix(7)."""
    _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return bool(user == os.geteuid())


def ask(run: str, question: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """Return the agent's answer; raise `OSError` when it is away, silent, not root's, or speaks another language."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(timeout_s)
        connection.connect(socket_path(run))
        if not peer_is_root(connection):
            raise PermissionError(f"somebody else listens at {socket_path(run)}")
        connection.sendall(json.dumps({"format": FORMAT, **question}).encode() + b"\n")
        return _answer(connection)


def _answer(connection: socket.socket) -> dict[str, Any]:
    line = bytearray()
    while not line.endswith(b"\n"):
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError("the agent went away without an answer")
        line += received
        if len(line) > LINE_MAX:
            raise OSError("the agent's answer does not end")
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise OSError("the agent's answer is no JSON") from error
    if not isinstance(answer, dict):
        raise OSError("the agent's answer is no object")
    return answer
