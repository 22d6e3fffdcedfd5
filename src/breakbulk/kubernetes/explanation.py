"""What is known of a pod (`Facts`), and what follows from it (`Explanation`): the values between `gathering`, which
asks the cluster, `explaining`, which thinks, and the command line, which shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = ["Cause", "Explanation", "Facts", "State", "Step", "StepName"]

Object = dict[str, Any]
State = Literal["done", "waiting", "failed", "pending"]
"""`pending`: not reached yet."""

StepName = Literal[
    "admitted",
    "scheduled",
    "node prepared",
    "volumes mounted",
    "environment realised",
    "sandbox made",
    "containers started",
    "ready",
]


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a step is not done.

    Attributes:
        identifier: Stable, kebab-case; that of Breakbulk's own error where there is one.
        what: What is wrong, one sentence without a full stop.
        why: What Kubernetes or the container itself said.
        fix: What to do, in the imperative; a command where possible.
        log: The last lines that the container wrote.

    """

    identifier: str
    what: str
    why: str | None = None
    fix: str | None = None
    log: str | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step on a pod's way.

    Attributes:
        name: Of the step.
        state: Of the step.
        detail: What there is to know when all is well: the node, the containers.
        cause: Why it is `failed`, or what it waits for.

    """

    name: StepName
    state: State
    detail: str | None = None
    cause: Cause | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a pod is on its way.

    Attributes:
        namespace: Of the pod.
        name: Of the pod, or what was asked for where there is none.
        phase: As Kubernetes has it; `Refused` where there is no pod.
        node: Where it is bound to.
        environments: That it names.
        steps: In order; after the first that is not done, all are `pending`.
        notes: What is true besides.
        owner: Whose pod is refused, as kind and name.

    """

    namespace: str
    name: str
    phase: str
    node: str | None
    environments: tuple[str, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    owner: str | None = None

    @property
    def stuck(self) -> Step | None:
        """The first step that is not done, None when all are."""
        return next((step for step in self.steps if step.state != "done"), None)

    @property
    def running(self) -> bool:
        """Whether the pod has come all the way."""
        return self.stuck is None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of the cluster, as JSON, that concern one pod; what could not be read is absent.

    Attributes:
        namespace: Asked for.
        name: Asked for.
        pod: None when there is none of that name.
        events: About the pod.
        owner: Whose pod is missing, as kind and name: `ReplicaSet web-6b7`.
        owner_events: About what should have made the pod.
        node: On which it is; None when there is none of that name any more.
        nodes: All nodes, where the scheduler finds none.
        runtime_class: Of the pod.
        environments: That the pod names.
        logs: Last lines of containers that failed, by name.
        unread: What was not permitted or did not answer, a sentence each.

    """

    namespace: str
    name: str
    pod: Object | None = None
    events: tuple[Object, ...] = ()
    owner: str | None = None
    owner_events: tuple[Object, ...] = ()
    node: Object | None = None
    nodes: tuple[Object, ...] = ()
    runtime_class: Object | None = None
    environments: tuple[str, ...] = ()
    logs: Mapping[str, str] = {}
    unread: tuple[str, ...] = ()
