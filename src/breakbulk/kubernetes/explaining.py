"""Why a pod is not running: its way from admission to readiness, and the first step that it has not taken. Pure.

    admitted → scheduled → node prepared → volumes mounted → environment realised → sandbox made → containers started
    → ready

A later step proves the earlier ones, whatever old events say. What kubelet has written into the status of the pod comes
first, then conditions, then the newest event of a kind; words are understood by `causes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from breakbulk.kubernetes import causes
from breakbulk.kubernetes.containers import container_cause, failed_probe, states
from breakbulk.kubernetes.explanation import Cause, Explanation, Facts, Object, Step, StepName
from breakbulk.kubernetes.objects import READY_LABEL

__all__ = ["explain", "newest_first"]

_ENVIRONMENT_CONDITION = "breakbulk.dev/EnvironmentReady"
_NODE_CONDITION = "BreakbulkReady"
_RETRIED = frozenset({"environment-not-ready", "agent-busy"})
"""What a handler says while everything is on its way: kubelet asks again."""
_REJECTED_BY_KUBELET = {
    "NodeAffinity": "the node's labels no longer match what the pod asks for",
    "NodeShutdown": "the node was shut down",
    "Terminated": "the node was shut down",
    "NodeLost": "the node is gone",
    "Preempting": "the pod had to go for one of higher priority",
    "UnexpectedAdmissionError": "kubelet refused the pod",
}


def explain(facts: Facts) -> Explanation:
    """Return where a pod is on its way, and why it does not go on."""
    if facts.pod is None:
        return _refused(facts)
    steps = list(_reached(_Pod(facts)))
    return Explanation(
        namespace=facts.namespace,
        name=facts.pod["metadata"]["name"],
        phase=facts.pod.get("status", {}).get("phase", "Unknown"),
        node=facts.pod["spec"].get("nodeName"),
        environments=facts.environments,
        steps=tuple(steps),
        notes=(*_notes(facts.pod), *facts.unread),
    )


def newest_first(events: Iterable[Object], reason: str | None = None) -> list[Object]:
    """Return events, of one reason where it is given, the one that happened last in front."""
    chosen = [event for event in events if reason is None or event.get("reason") == reason]
    return sorted(chosen, key=_time_of, reverse=True)


def _time_of(event: Object) -> str:
    series = event.get("series") or {}
    times = (
        event.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
    )
    return next((time for time in times if time), "")


class _Pod:
    """The facts of one pod, by the words in which steps ask for them."""

    def __init__(self, facts: Facts) -> None:
        assert facts.pod  # noqa: S101 - the caller has looked
        self.facts = facts
        self.pod = facts.pod
        self.spec: Object = facts.pod["spec"]
        self.status: Object = facts.pod.get("status") or {}
        self.conditions: dict[str, Object] = {each["type"]: each for each in self.status.get("conditions") or ()}
        self.phase: str = self.status.get("phase", "")
        self.handler: str = (facts.runtime_class or {}).get("handler") or ""

    def is_true(self, condition: str) -> bool:
        return self.conditions.get(condition, {}).get("status") == "True"

    def newest(self, *reasons: str) -> Object | None:
        """Return the last event that has one of these reasons."""
        found = newest_first(event for event in self.facts.events if event.get("reason") in reasons)
        return found[0] if found else None

    @property
    def has_sandbox(self) -> bool:
        """Whether the sandbox is there, or was: a container that has an id was made in one."""
        return (
            self.is_true("PodReadyToStartContainers")
            or self.phase in {"Running", "Succeeded"}
            or self.status.get("reason") == "Evicted"
            or any(status.get("containerID") for status in self.statuses)
        )

    @property
    def statuses(self) -> Sequence[Object]:
        """The statuses of all containers, those that come first in front."""
        return [*(self.status.get("initContainerStatuses") or ()), *(self.status.get("containerStatuses") or ())]

    @property
    def has_ours(self) -> bool:
        """Whether an environment has to be realised: one is named, and a runtime that could know of it."""
        return bool(self.facts.environments and self.spec.get("runtimeClassName"))


def _reached(pod: _Pod) -> Iterator[Step]:
    """Yield every step; what follows one that is not done is pending."""
    going_on = True
    for name, look in _STEPS:
        if name == "environment realised" and not pod.has_ours:
            continue
        step = look(pod) if going_on else Step(name=name, state="pending")
        going_on = going_on and step.state == "done"
        yield step


def _refused(facts: Facts) -> Explanation:
    """Explain a pod that its controller could not make."""
    refusals = newest_first(facts.owner_events, "FailedCreate")
    if refusals:
        step = _failed("admitted", causes.of_admission(refusals[0].get("message", "")))
    else:
        what = f"{facts.owner} has made no pod, and nothing says why"
        fix = "is it scaled to zero, or suspended? `kubectl describe` it"
        step = _waiting("admitted", Cause(identifier="pod-not-made", what=what, fix=fix))
    pending = [Step(name=name, state="pending") for name, _ in _STEPS[1:] if name != "environment realised"]
    return Explanation(
        namespace=facts.namespace,
        name=facts.name,
        phase="Refused",
        node=None,
        environments=facts.environments,
        steps=(step, *pending),
        notes=facts.unread,
        owner=facts.owner,
    )


def _admitted(_: _Pod) -> Step:
    return Step(name="admitted", state="done")


def _scheduled(pod: _Pod) -> Step:
    node = pod.spec.get("nodeName")
    if node:
        return Step(name="scheduled", state="done", detail=f"on node {node}")
    condition = pod.conditions.get("PodScheduled", {})
    event = pod.newest("FailedScheduling")
    message = condition.get("message") or (event or {}).get("message", "")
    if condition.get("reason") == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod.spec.get("schedulingGates") or ())
        cause = Cause(identifier="scheduling-gated", what=f"the pod waits for scheduling gates to be removed: {gates}")
        return _waiting("scheduled", cause)
    if not message:
        cause = Cause(
            identifier="scheduler-silent",
            what="the scheduler has not looked at the pod yet",
            fix="if it stays so: does kube-scheduler run, and does it serve "
            f"`schedulerName: {pod.spec.get('schedulerName', 'default-scheduler')}`?",
        )
        return _waiting("scheduled", cause)
    cause = causes.of_scheduling(message)
    return _failed("scheduled", _of_labels(pod, cause) if cause.identifier == "no-node-matches" else cause)


def _of_labels(pod: _Pod, cause: Cause) -> Cause:
    """Return the cause with the labels that no node has, and how a node comes by them."""
    selector: Mapping[str, str] = {
        **((pod.facts.runtime_class or {}).get("scheduling") or {}).get("nodeSelector", {}),
        **(pod.spec.get("nodeSelector") or {}),
    }
    labels = [node["metadata"].get("labels") or {} for node in pod.facts.nodes]
    missing = [f"{key}={value}" for key, value in selector.items() if all(of.get(key) != value for of in labels)]
    if not missing or not labels:
        return cause
    if f"{READY_LABEL}=true" not in missing:
        what, fix = f"no node has the label {', '.join(missing)}", f"kubectl label node NODE {' '.join(missing)}"
        return Cause(identifier="no-node-matches", what=what, why=cause.why, fix=fix)
    return Cause(
        identifier="node-not-prepared",
        what=f"no node is prepared for environments: none has the label {READY_LABEL}=true",
        why=cause.why,
        fix="`breakbulk node install` on a node: its agent sets the label once it is ready; "
        "`breakbulk node doctor` there says what is missing",
    )


def _node_prepared(pod: _Pod) -> Step:
    reason = pod.status.get("reason", "")
    if pod.phase == "Failed" and (reason in _REJECTED_BY_KUBELET or reason.startswith("OutOf")):
        what = _REJECTED_BY_KUBELET.get(reason, f"the node had not enough {reason.removeprefix('OutOf')}")
        cause = Cause(
            identifier="node-refused",
            what=what,
            why=pod.status.get("message"),
            fix="delete the pod: it is not tried again",
        )
        return _failed("node prepared", cause)
    node = pod.facts.node
    if node is None:
        name = pod.spec["nodeName"]
        if any(name in word for word in pod.facts.unread):
            return Step(name="node prepared", state="done", detail="the node could not be looked at")
        cause = Cause(identifier="node-gone", what=f"the node {name} is no longer in the cluster", fix="delete the pod")
        return _failed("node prepared", cause)
    return _of_node(pod, node)


def _of_node(pod: _Pod, node: Object) -> Step:
    conditions = {each["type"]: each for each in node.get("status", {}).get("conditions") or ()}
    name = node["metadata"]["name"]
    ready = conditions.get("Ready", {})
    if ready and ready.get("status") != "True":
        cause = Cause(
            identifier="node-not-ready",
            what=f"the node {name} is not ready",
            why=ready.get("message"),
            fix="is it running, with kubelet and containerd? `journalctl -u kubelet` there",
        )
        return _failed("node prepared", cause)
    if pod.has_sandbox:
        return Step(name="node prepared", state="done")
    handlers = {each.get("name", "") for each in node.get("status", {}).get("runtimeHandlers") or ()}
    event = pod.newest("FailedCreatePodSandBox")
    found = causes.of_sandbox(event["message"]) if event else None
    if found and found.identifier == "runtime-not-configured":
        return _failed("node prepared", found)
    if pod.handler and handlers and pod.handler not in handlers and pod.has_ours:
        return _failed("node prepared", causes.of_sandbox(f'no runtime for "{pod.handler}" is configured'))
    ours = conditions.get(_NODE_CONDITION, {})
    if pod.has_ours and ours.get("status") == "Unknown":
        return _failed("node prepared", _agent_away(name, ours.get("message")))
    return Step(name="node prepared", state="done")


def _agent_away(node: str, why: str | None) -> Cause:
    return Cause(
        identifier="agent-away",
        what=f"the node agent of {node} does not answer",
        why=why,
        fix="`systemctl status breakbulk-agent` on the node, or its daemon set; `breakbulk node doctor` says more",
    )


def _volumes_mounted(pod: _Pod) -> Step:
    event = pod.newest("FailedMount", "FailedAttachVolume")
    if pod.has_sandbox or event is None or _came_after(pod, event):
        return Step(name="volumes mounted", state="done")
    return _failed("volumes mounted", causes.of_volume(event.get("message", "")))


def _came_after(pod: _Pod, failure: Object) -> bool:
    """Say whether something later than the mounting of volumes happened after a failure."""
    later = pod.newest("FailedCreatePodSandBox", "EnvironmentReady", "Pulling", "Pulled")
    return later is not None and _time_of(later) > _time_of(failure)


def _environment_realised(pod: _Pod) -> Step:
    condition = pod.conditions.get(_ENVIRONMENT_CONDITION, {})
    names = ", ".join(pod.facts.environments)
    if condition.get("status") == "True" or pod.has_sandbox:
        return Step(name="environment realised", state="done", detail=names)
    refused = pod.newest("FailedCreatePodSandBox")
    told = pod.newest("EnvironmentRealising", "EnvironmentFailed", "EnvironmentReady")
    error = causes.our_error(refused["message"]) if refused else None
    reason = condition.get("reason") or (told or {}).get("reason", "")
    message = condition.get("message") or (told or {}).get("message", "")
    if reason == "EnvironmentFailed":
        return _failed("environment realised", causes.our_error(message, bare=True) or _unclear(message))
    if error and error.identifier not in _RETRIED and reason != "EnvironmentRealising":
        return _failed("environment realised", error)
    if reason == "EnvironmentRealising" or error:
        what = f"{names} is being realised on the node"
        why = message or (error.what if error else None)
        fix = "wait; `breakbulk node prewarm` brings environments before their pods come"
        return _waiting("environment realised", Cause(identifier="realising", what=what, why=why, fix=fix))
    if refused and reason != "EnvironmentReady":
        return Step(name="environment realised", state="done", detail=names)  # containerd did not come as far as us
    if reason == "EnvironmentReady":
        return Step(name="environment realised", state="done", detail=names)
    return _silent(pod)


def _silent(pod: _Pod) -> Step:
    node = pod.spec["nodeName"]
    cause = Cause(
        identifier="agent-silent",
        what=f"the node agent of {node} has said nothing about the pod yet",
        fix="if it stays so: `breakbulk node doctor` on the node",
    )
    return _waiting("environment realised", cause)


def _unclear(message: str) -> Cause:
    return Cause(identifier="environment-failed", what="the environment cannot be realised", why=message or None)


def _sandbox_made(pod: _Pod) -> Step:
    if pod.has_sandbox:
        return Step(name="sandbox made", state="done")
    event = pod.newest("FailedCreatePodSandBox")
    if event is None:
        return _waiting("sandbox made", Cause(identifier="sandbox-awaited", what="kubelet is making the pod's sandbox"))
    return _failed("sandbox made", causes.of_sandbox(event.get("message", "")))


def _containers_started(pod: _Pod) -> Step:
    if pod.status.get("reason") == "Evicted":
        return _failed("containers started", _evicted(pod))
    found = states(pod.pod)
    for state in found:
        cause = container_cause(state, pod.facts.events, pod.facts.logs)
        if cause is not None:
            return _failed("containers started", _of_ordinary_runtime(pod, cause))
    if waiting := [state.name for state in found if not state.started]:
        event = pod.newest("Pulling")
        what = f"kubelet is starting {', '.join(waiting)}" + (f": {event['message']}" if event else "")
        return _waiting("containers started", Cause(identifier="containers-awaited", what=what))
    return Step(
        name="containers started", state="done", detail=", ".join(state.name for state in found if not state.init)
    )


def _of_ordinary_runtime(pod: _Pod, cause: Cause) -> Cause:
    """Return the cause; where an environment is named to a runtime that knows none, that is it."""
    if pod.has_ours or not pod.facts.environments:
        return cause
    return Cause(
        identifier="runtime-class-not-named",
        what="the pod names an environment, and no runtime class, so it runs without the environment",
        why=cause.what,
        fix="set `runtimeClassName: breakbulk` in its spec",
        log=cause.log,
    )


def _evicted(pod: _Pod) -> Cause:
    message = pod.status.get("message", "")
    own = "exceeds" in message or "exceeded" in message
    return Cause(
        identifier="evicted",
        what="kubelet evicted the pod" + ("" if own else ", as the node ran short"),
        why=message or None,
        fix="raise the limit that the message names, or write less"
        if own
        else "ask for what the pod needs under `resources.requests`, and make room on the node: `breakbulk store gc`",
    )


def _ready(pod: _Pod) -> Step:
    if pod.phase == "Succeeded" or pod.is_true("Ready"):
        return Step(name="ready", state="done", detail="ran to its end" if pod.phase == "Succeeded" else None)
    gates = [gate["conditionType"] for gate in pod.spec.get("readinessGates") or ()]
    closed = [gate for gate in gates if not pod.is_true(gate)]
    unready = [state.name for state in states(pod.pod) if not (state.init or state.ready)]
    if unready:
        cause = failed_probe(unready, pod.facts.events)
        if cause:
            return _failed("ready", cause)
        what = f"{', '.join(unready)} has not answered its probes yet"
        return _waiting("ready", Cause(identifier="probes-awaited", what=what))
    if closed:
        what = f"readiness gates are closed: {', '.join(closed)}"
        fix = "whoever sets these conditions has not: a load balancer's or mesh's controller"
        return _waiting("ready", Cause(identifier="readiness-gate", what=what, fix=fix))
    return _waiting(
        "ready", Cause(identifier="readiness-awaited", what="kubelet has not said yet that the pod is ready")
    )


def _notes(pod: Mapping[str, Any]) -> Iterator[str]:
    metadata = pod["metadata"]
    if since := metadata.get("deletionTimestamp"):
        held = ", ".join(metadata.get("finalizers") or ())
        yield f"it is being deleted, by {since}" + (f"; finalizers hold it: {held}" if held else "")
    for status in pod.get("status", {}).get("containerStatuses") or ():
        if count := status.get("restartCount"):
            yield (
                f"{status['name']} was restarted {count} times" if count > 1 else f"{status['name']} was restarted once"
            )


def _failed(name: StepName, cause: Cause) -> Step:
    return Step(name=name, state="failed", cause=cause)


def _waiting(name: StepName, cause: Cause) -> Step:
    return Step(name=name, state="waiting", cause=cause)


_STEPS: tuple[tuple[StepName, Callable[[_Pod], Step]], ...] = (
    ("admitted", _admitted),
    ("scheduled", _scheduled),
    ("node prepared", _node_prepared),
    ("volumes mounted", _volumes_mounted),
    ("environment realised", _environment_realised),
    ("sandbox made", _sandbox_made),
    ("containers started", _containers_started),
    ("ready", _ready),
)
