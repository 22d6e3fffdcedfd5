"""Fetch everything that says why a pod is not running: the half of `explain pod` that asks the cluster.

Only reads. Whatever the user may not read is left out and named in `Facts.unread`: half an explanation is better than
none. Where there is no pod of a name, its controller is looked for, as a pod that admission refuses never exists: a
Deployment's name is enough. Counterpart: `explaining`, which thinks about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from breakbulk.errors import NotFoundError
from breakbulk.kubernetes.connection import Connection, RefusedError
from breakbulk.kubernetes.containers import failed_containers
from breakbulk.kubernetes.explanation import Facts, Object
from breakbulk.kubernetes.kinds import EVENT, JOB, NODE, POD, REPLICA_SET, RUNTIME_CLASS, Kind

__all__ = ["References", "gather"]

References = Callable[[Mapping[str, str]], tuple[str, ...]]
"""Returns the environments that annotations name; knows what they mean."""

_LOG_LINES = 20
_LOG_BYTES = 16_000
_CONTROLLERS = (
    Kind(api_version="apps/v1", name="Deployment", plural="deployments"),
    Kind(api_version="apps/v1", name="StatefulSet", plural="statefulsets"),
    Kind(api_version="apps/v1", name="DaemonSet", plural="daemonsets"),
    REPLICA_SET,
    JOB,
)


async def gather(connection: Connection, namespace: str, name: str, references: References) -> Facts:
    """Return what the cluster knows of a pod, or of what should have made it.

    Args:
        connection: To the cluster.
        namespace: Of the pod.
        name: Of the pod, or of its Deployment, StatefulSet, DaemonSet, ReplicaSet or Job.
        references: See `References`.

    Raises:
        NotFoundError: `pod-not-found`.
        ClusterError: `cluster-unreachable`; `cluster-forbidden` when pods may not be read.

    """
    pod = await connection.find(POD.path(namespace, name))
    if pod is None:
        pod = await _pod_of_controller(connection, namespace, name)
    if pod is None:
        return await _without_pod(connection, namespace, name, references)
    return await _Reader(connection, namespace).facts(pod, references)


class _Reader:
    """Reads around one pod; what may not be read is remembered."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._unread: list[str] = []

    async def facts(self, pod: Object, references: References) -> Facts:
        metadata, spec = pod["metadata"], pod["spec"]
        node, runtime_class = spec.get("nodeName"), spec.get("runtimeClassName")
        return Facts(
            namespace=self._namespace,
            name=metadata["name"],
            pod=pod,
            events=await self._events(metadata["uid"]),
            node=await self._find(NODE.path(name=node), f"node {node}") if node else None,
            nodes=() if node else await self._list(NODE.path(), "nodes"),
            runtime_class=await self._find(RUNTIME_CLASS.path(name=runtime_class), f"runtime class {runtime_class}")
            if runtime_class
            else None,
            environments=references(metadata.get("annotations") or {}),
            logs=await self._logs(pod),
            unread=tuple(self._unread),
        )

    async def _events(self, uid: str) -> tuple[Object, ...]:
        return await self._list(EVENT.path(self._namespace), "events", fieldSelector=f"involvedObject.uid={uid}")

    async def _logs(self, pod: Object) -> dict[str, str]:
        path = POD.path(self._namespace, pod["metadata"]["name"], "log")
        found = {}
        for container, previous in failed_containers(pod):
            asked = {"container": container, "tailLines": str(_LOG_LINES), "limitBytes": str(_LOG_BYTES)}
            try:
                found[container] = await self._connection.text(path, asked | ({"previous": "true"} if previous else {}))
            except RefusedError as error:
                self._unread.append(f"the log of {container} cannot be read: {error.said or error.message}")
        return found

    async def _find(self, path: str, what: str) -> Object | None:
        try:
            return await self._connection.find(path)
        except RefusedError as error:
            self._unread.append(f"{what} cannot be read: {error.said or error.message}")
            return None

    async def _list(self, path: str, what: str, **asked: str) -> tuple[Object, ...]:
        try:
            return tuple((await self._connection.get(path, **asked))["items"])
        except RefusedError as error:
            self._unread.append(f"{what} cannot be read: {error.said or error.message}")
            return ()


async def _pod_of_controller(connection: Connection, namespace: str, name: str) -> Object | None:
    """Return the pod that a user most likely means by the name of its controller: the newest that is not ready."""
    pods = [pod for pod in (await connection.get(POD.path(namespace)))["items"] if _is_of(pod, name)]
    pods.sort(key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
    return next((pod for pod in pods if not _is_ready(pod)), pods[0] if pods else None)


def _is_of(pod: Object, name: str) -> bool:
    """Say whether a controller of that name made a pod; a Deployment's ReplicaSet has a hash behind the name."""
    return any(
        owner["name"] == name or owner["name"].rpartition("-")[0] == name
        for owner in pod["metadata"].get("ownerReferences") or ()
    )


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def _without_pod(connection: Connection, namespace: str, name: str, references: References) -> Facts:
    refusals = (await connection.get(EVENT.path(namespace), fieldSelector="reason=FailedCreate"))["items"]
    owner = await _controller(connection, namespace, name)
    about = [event for event in refusals if _concerns(event["involvedObject"]["name"], name)]
    if owner is None and not about:
        raise NotFoundError(
            f"there is no pod {name!r} in the namespace {namespace}, and nothing that would make one",
            identifier="pod-not-found",
            where=connection.server,
            hint=f"kubectl get pods -n {namespace}",
        )
    template = ((owner or {}).get("spec") or {}).get("template") or {}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    facts = Facts(
        namespace=namespace,
        name=name,
        owner=_named(owner) if owner else _named_by(about),
        owner_events=tuple(about),
        environments=references(annotations),
    )
    message = _replica_failure(owner)
    if not about and message:  # events are forgotten after an hour; conditions are not
        failed = {"reason": "FailedCreate", "message": message}
        return msgspec.structs.replace(facts, owner_events=(failed,))
    return facts


def _concerns(controller: str, name: str) -> bool:
    """Say whether a controller made, or would make, what is asked for: by name, as its pod, or as its ReplicaSet."""
    return controller == name or name.startswith(f"{controller}-") or controller.rpartition("-")[0] == name


async def _controller(connection: Connection, namespace: str, name: str) -> Object | None:
    for kind in _CONTROLLERS:
        try:
            found = await connection.find(kind.path(namespace, name))
        except RefusedError:
            continue
        if found is not None:
            return {**found, "kind": kind.name}
    return None


def _replica_failure(owner: Object | None) -> str:
    conditions: Sequence[Any] = ((owner or {}).get("status") or {}).get("conditions") or ()
    return next(
        (each.get("message", "") for each in conditions if each["type"] in {"ReplicaFailure", "FailureTarget"}), ""
    )


def _named(owner: Object) -> str:
    return f"{owner['kind']} {owner['metadata']['name']}"


def _named_by(events: Sequence[Object]) -> str:
    about = events[0]["involvedObject"]
    return f"{about['kind']} {about['name']}"
