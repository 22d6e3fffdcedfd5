"""Checks of a cluster: can pods with environments be made, placed and started there; if not, what to do.

The cluster's half of `breakbulk doctor`; that of a node is `node.examining.doctor`. Reads only. What checks say is pure
(`class_checks`, `node_checks`), so that every finding can be shown to be found.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from breakbulk.checks import Check, State
from breakbulk.errors import ClusterError
from breakbulk.kubernetes.configuration import Access
from breakbulk.kubernetes.connection import Connection, connect
from breakbulk.kubernetes.kinds import NODE, RUNTIME_CLASS
from breakbulk.kubernetes.objects import HANDLERS, READY_LABEL

__all__ = ["class_checks", "cluster_checks", "node_checks", "version_check"]

Object = Mapping[str, Any]
_OLDEST = (1, 29)
"""Pods tell since then when their sandbox is there, and kubelet's annotations reach the runtime as we need them."""
_OLDEST_CONTAINERD = (1, 7)
_CONDITION = "BreakbulkReady"
_INSTALL = "`breakbulk node install` on it; `breakbulk node doctor` there says what is missing"
_MANIFEST = "breakbulk node manifest | kubectl apply -f -"


async def cluster_checks(access: Access) -> AsyncIterator[Check]:
    """Yield the checks of a cluster as they are made; never raises."""
    try:
        async with connect(access) as connection:
            async for check in _checks(connection):
                yield check
    except ClusterError as error:
        yield Check(
            identifier=error.reference,
            what=f"cluster of {access.where}",
            state="failed",
            why=": ".join(part for part in (error.message, error.where, error.why) if part),
            fix=error.hint,
        )


async def _checks(connection: Connection) -> AsyncIterator[Check]:
    yield version_check(await connection.get("/version"), connection.server)
    yield await _permission(connection)
    for kind, examine, what in ((RUNTIME_CLASS, class_checks, "runtime classes"), (NODE, node_checks, "nodes")):
        try:
            found = (await connection.get(kind.path()))["items"]
        except ClusterError as error:
            why = error.why or error.message
            yield Check(identifier=f"{kind.plural}-unread", what=what, state="unknown", why=why, fix=error.hint)
            continue
        for check in examine(found):
            yield check


async def _permission(connection: Connection) -> Check:
    what = f"pods may be made in the namespace {connection.namespace}"
    wanted = {"namespace": connection.namespace, "verb": "create", "resource": "pods"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    }
    try:
        answer = await connection.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    except ClusterError as error:
        return Check(identifier="pods-permitted", what=what, state="unknown", why=error.why or error.message)
    if answer["status"].get("allowed"):
        return Check(identifier="pods-permitted", what=what, state="ok")
    return Check(
        identifier="pods-permitted",
        what=what,
        state="warning",
        why="the credentials of the kubeconfig do not allow it",
        fix="kubectl auth can-i create pods: ask whoever keeps the cluster, or choose another --context",
    )


def version_check(told: Object, server: str) -> Check:
    """Return whether the cluster is new enough."""
    name = str(told.get("gitVersion", "of unknown version"))
    what = f"Kubernetes {name} at {server}"
    found = _version(name)
    if found is None or found >= _OLDEST:
        return Check(identifier="cluster-version", what=what, state="ok")
    return Check(
        identifier="cluster-version",
        what=what,
        state="failed",
        why=f"it is older than {'.'.join(map(str, _OLDEST))}",
        fix="upgrade the cluster",
    )


def class_checks(classes: Iterable[Object]) -> Iterator[Check]:
    """Yield a check of each of our runtime classes."""
    handlers = {each["metadata"]["name"]: each.get("handler") for each in classes}
    for name in HANDLERS:
        check = {"identifier": "runtime-class", "what": f"runtime class {name}"}
        if name not in handlers:
            gravity: State = "failed" if name == HANDLERS[0] else "warning"
            yield Check(**check, state=gravity, why="it does not exist: its pods are refused", fix=_MANIFEST)
        elif handlers[name] != name:
            why = f"its handler is {handlers[name]}, which is not ours"
            yield Check(**check, state="warning", why=why, fix=f"kubectl delete runtimeclass {name}; {_MANIFEST}")
        else:
            yield Check(**check, state="ok")


def node_checks(nodes: Iterable[Object]) -> Iterator[Check]:
    """Yield a check of each node, and one of all of them together."""
    prepared = 0
    total = 0
    for node in nodes:
        total += 1
        check = _node_check(node)
        prepared += check.state == "ok"
        yield check
    what = f"{prepared} of {total} nodes can start pods with environments"
    if prepared:
        yield Check(identifier="nodes-prepared", what=what, state="ok")
    else:
        fix = "`breakbulk node install` on a node, or " + _MANIFEST
        yield Check(identifier="nodes-prepared", what=what, state="failed", fix=fix)


def _node_check(node: Object) -> Check:
    name, info = node["metadata"]["name"], node.get("status", {}).get("nodeInfo") or {}
    runtime = info.get("containerRuntimeVersion", "")
    what = f"node {name} ({', '.join(filter(None, (info.get('kubeletVersion'), runtime, info.get('architecture'))))})"
    for wrong in (_unready, _foreign_runtime, _unprepared):
        if found := wrong(node, runtime):
            why, fix = found
            return Check(identifier="node-prepared", what=what, state="warning", why=why, fix=fix)
    return Check(identifier="node-prepared", what=what, state="ok")


def _unready(node: Object, _runtime: str) -> tuple[str, str] | None:
    ready = _condition(node, "Ready")
    if ready.get("status") == "True":
        return None
    return f"it is not ready: {ready.get('message') or 'it has not said why'}", "journalctl -u kubelet, on the node"


def _foreign_runtime(_node: Object, runtime: str) -> tuple[str, str] | None:
    name, _, version = runtime.partition("://")
    found = _version(version)
    if name != "containerd":
        return f"its container runtime is {name or 'unknown'}", "use nodes with containerd"
    if found is not None and found < _OLDEST_CONTAINERD:
        return f"containerd {version} does not hand annotations to runtimes as needed", "upgrade it to 1.7 or newer"
    return None


def _unprepared(node: Object, _runtime: str) -> tuple[str, str] | None:
    handlers = {each.get("name") for each in node.get("status", {}).get("runtimeHandlers") or ()}
    ours = _condition(node, _CONDITION)
    if handlers and HANDLERS[0] not in handlers:
        return f"its containerd knows no runtime {HANDLERS[0]}", _INSTALL
    if ours.get("status") == "False":
        return f"its agent says: {ours.get('message') or ours.get('reason')}", _INSTALL
    if (node["metadata"].get("labels") or {}).get(READY_LABEL) != "true":
        return f"it has no label {READY_LABEL}=true, which its agent sets", _INSTALL
    return None


def _condition(node: Object, kind: str) -> Mapping[str, Any]:
    conditions: Iterable[Mapping[str, Any]] = node.get("status", {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})


def _version(text: str) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None
