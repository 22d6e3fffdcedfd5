"""Pods as values, and when their containers run: what the API server tells one watcher, by its monotonic clock.

The clock starts before a pod is sent and stops when the watch brings its status with every container running, for pods
of environments and of images alike.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from lightkube import Client, KubeConfig
from lightkube.resources.core_v1 import Pod

from kubernetes.node import Node

__all__ = ["STUB", "Pods", "pod", "template"]

STUB = "docker.io/breakbulk/empty:1"
STAY = (
    *("python3", "-IS", "-c"),
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); signal.pause()",
)
"""Runs until it is told to end, and ends then, as every server should."""
_TIMEOUT_S = 900.0
_numbers = itertools.count(1)

Object = dict[str, Any]


def template(*, environment: str | None = None, image: str = STUB, command: Iterable[str] = STAY) -> Object:
    """Return metadata and specification of pods of an environment, or of an image."""
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command)}
    specification: Object = {"containers": [container], "automountServiceAccountToken": False}
    if environment is None:
        return {"metadata": {}, "spec": specification}
    annotations = {"breakbulk.dev/environment": environment}
    return {"metadata": {"annotations": annotations}, "spec": {"runtimeClassName": "breakbulk", **specification}}


def pod(of: Mapping[str, Any]) -> Object:
    """Return a pod after a template, with a name that no other has."""
    metadata = {**of["metadata"], "name": f"pod-{next(_numbers)}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": of["spec"]}


class Pods:
    """The pods of the namespace `default`, as one watch tells of them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._client = Client(config=KubeConfig.from_file(node.kubeconfig), trust_env=False)
        self._told = threading.Condition()
        self._known: dict[str, Object] = {}
        self._running_at: dict[str, float] = {}
        self._ended: Exception | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def seconds(self, pods: Iterable[Object]) -> float:
        """Create pods and return the seconds until the containers of all of them run; they are removed again."""
        pods = list(pods)
        started = time.monotonic()
        try:
            self.create(pods)
            return self.running(pod["metadata"]["name"] for pod in pods) - started
        finally:
            self.remove(pods)

    def create(self, pods: Iterable[Object]) -> None:
        """Send pods to the API server."""
        for one in pods:
            self._client.create(cast(Pod, Pod.from_dict(one)))

    def remove(self, pods: Iterable[Object]) -> None:
        """Remove pods, and return when nothing is left of them."""
        names = [pod["metadata"]["name"] for pod in pods]
        for name in names:
            self._client.delete(Pod, name)
        self._await(lambda: not any(name in self._known for name in names), f"{len(names)} pods are gone")
        self._node.settle()

    def running(self, names: Iterable[str]) -> float:
        """Return when the last of these pods ran, by the monotonic clock; wait for it."""
        wanted = set(names)
        self._await(lambda: wanted <= self._running_at.keys(), f"{len(wanted)} pods run")
        return max(self._running_at[name] for name in wanted)

    def all_running(self, count: int, chosen: Callable[[Object], bool]) -> float:
        """Return when so many of the pods that are chosen ran; wait for it."""

        def times() -> list[float]:
            return sorted(
                self._running_at[name]
                for name, known in self._known.items()
                if name in self._running_at and chosen(known)
            )

        self._await(lambda: len(times()) >= count, f"{count} pods run what is new")
        return times()[count - 1]

    def await_only(self, count: int, chosen: Callable[[Object], bool]) -> None:
        """Return when so many of the pods that are chosen are there, and no more."""
        self._await(lambda: sum(map(chosen, self._known.values())) == count, f"{count} pods are left")

    def names(self, chosen: Callable[[Object], bool]) -> list[str]:
        """Return the pods that are chosen."""
        with self._told:
            return [name for name, known in self._known.items() if chosen(known)]

    def _watch(self) -> None:
        try:
            for event, found in self._client.watch(Pod, namespace="default", server_timeout=7200):
                self._note(event, found.to_dict())
        except Exception as error:  # noqa: BLE001 - at the end of the cluster, or whoever waits is told
            with self._told:
                self._ended = error
                self._told.notify_all()

    def _note(self, event: str, found: Object) -> None:
        name = found["metadata"]["name"]
        with self._told:
            if event == "DELETED":
                self._known.pop(name, None)
            else:
                self._known[name] = found
                if _is_running(found):
                    self._running_at.setdefault(name, time.monotonic())
            self._told.notify_all()

    def _await(self, is_so: Callable[[], bool], what: str) -> None:
        with self._told:
            if self._told.wait_for(lambda: self._ended or is_so(), _TIMEOUT_S) and not self._ended:
                return
        told = self._node.kubectl("get", "events,pods", "--sort-by=.metadata.creationTimestamp")
        raise SystemExit(f"it did not come to be that {what} ({self._ended or 'in time'}):\n{told[-5000:]}")


def _is_running(found: Object) -> bool:
    statuses = found.get("status", {}).get("containerStatuses") or ()
    return bool(statuses) and all("running" in one.get("state", {}) for one in statuses)
