"""Pods, nodes and events in the forms that Kubernetes 1.35, containerd 2.2 and our node agent give them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

ENVIRONMENT = "ada/tickets:3"
STUB = "docker.io/breakbulk/empty:1"


def pod(**status: Any) -> Object:
    """A pod of one container `web` on node `n1`; keywords are fields of its status."""
    return {
        "metadata": {
            "name": "web-1",
            "namespace": "team",
            "uid": "u1",
            "annotations": {"breakbulk.dev/environment": ENVIRONMENT},
        },
        "spec": {
            "nodeName": "n1",
            "runtimeClassName": "breakbulk",
            "containers": [{"name": "web", "image": STUB, "command": ["serve"]}],
        },
        "status": {"phase": "Pending", "conditions": [_condition("PodScheduled")], **status},
    }


def running(ready: bool = True, **fields: Any) -> Object:
    """A pod whose sandbox is there; keywords are fields of its container's status."""
    conditions = [
        _condition("PodScheduled"),
        _condition("PodReadyToStartContainers"),
        _condition("Ready", "True" if ready else "False"),
    ]
    status = {
        "name": "web",
        "ready": ready,
        "containerID": "containerd://a",
        "state": {"running": {"startedAt": "2026-01-01T00:00:09Z"}},
        **fields,
    }
    return pod(phase="Running", conditions=conditions, containerStatuses=[status])


def waiting(reason: str, message: str = "", **fields: Any) -> Object:
    """A pod whose container waits, as kubelet has it."""
    return running(ready=False, state={"waiting": {"reason": reason, "message": message}}, **fields)


def crashing(exit_code: int, reason: str = "Error", message: str = "", restarts: int = 3) -> Object:
    """A pod whose container ended, and which kubelet will start again later."""
    ended = {"exitCode": exit_code, "reason": reason, "message": message, "containerID": "containerd://a"}
    return waiting(
        "CrashLoopBackOff",
        "back-off 40s restarting failed container=web pod=web-1_team(u1)",
        lastState={"terminated": ended},
        restartCount=restarts,
    )


def unscheduled(message: str) -> Object:
    """A pod that no node takes."""
    found = pod(conditions=[_condition("PodScheduled", "False", reason="Unschedulable", message=message)])
    del found["spec"]["nodeName"]
    return found


def event(reason: str, message: str, time: str = "00:00:05", container: str = "", about: str = "Pod/web-1") -> Object:
    """An event about the pod, or about something else."""
    kind, name = about.split("/")
    path = {"fieldPath": f"spec.containers{{{container}}}"} if container else {}
    return {
        "involvedObject": {"kind": kind, "name": name, "uid": "u1", **path},
        "reason": reason,
        "message": message,
        "type": "Warning",
        "lastTimestamp": f"2026-01-01T{time}Z",
    }


def sandbox_failed(message: str) -> Object:
    """What kubelet says when containerd, runc or the handler behind it refuse to make a sandbox."""
    return event(
        "FailedCreatePodSandBox",
        'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox "4f1c": failed to '
        f"create containerd task: failed to create shim task: OCI runtime create failed: {message}: unknown",
    )


def node(ready: str = "True", ours: str | None = "True", **fields: Any) -> Object:
    """A node that is prepared."""
    conditions = [_condition("Ready", ready, message="kubelet says why")]
    if ours is not None:
        conditions.append(_condition("BreakbulkReady", ours, message="the agent says why"))
    return {
        "metadata": {"name": "n1", "labels": {"breakbulk.dev/ready": "true"}},
        "status": {
            "conditions": conditions,
            "runtimeHandlers": [{"name": ""}, {"name": "breakbulk"}, {"name": "flox"}],
            "nodeInfo": {
                "kubeletVersion": "v1.35.4",
                "containerRuntimeVersion": "containerd://2.2.0",
                "architecture": "amd64",
            },
            **fields,
        },
    }


def runtime_class() -> Object:
    """Ours, as it is applied."""
    return {
        "metadata": {"name": "breakbulk"},
        "handler": "breakbulk",
        "scheduling": {"nodeSelector": {"breakbulk.dev/ready": "true"}},
    }


def _condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}
