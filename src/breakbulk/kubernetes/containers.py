"""Why a container of a pod does not run, from its status: the part of `explaining` that is about containers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from breakbulk.kubernetes import causes
from breakbulk.kubernetes.explanation import Cause, Object

__all__ = ["ContainerState", "container_cause", "failed_containers", "failed_probe", "states"]

_IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_START_REASONS = frozenset(
    {"RunContainerError", "StartError", "ContainerCannotRun", "PostStartHookError", "PreStartHookError"}
)
_SIGNALS = 128
_KILL, _TERMINATE = 9, 15
_HOOK_FAILED = 77
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_CHECKED = re.compile(r"(Liveness|Readiness|Startup) probe (?:failed|errored)[^:]*: *(.*)", re.DOTALL)


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """A container as its status has it.

    Attributes:
        name: Of the container.
        init: Whether others wait for its end.
        started: Whether it runs, or has done its work.
        ready: As kubelet says.
        waiting: Why it does not run, as kubelet has it.
        terminated: Its end: this one, or the last, of which it is to recover.

    """

    name: str
    init: bool
    started: bool
    ready: bool
    waiting: Object
    terminated: Object


def states(pod: Object) -> tuple[ContainerState, ...]:
    """Return the containers in the order in which they start, those that kubelet has not spoken of too."""
    status = pod.get("status") or {}
    known = {
        each["name"]: each
        for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    }
    spec = pod["spec"]
    return tuple(
        _state(container, known.get(container["name"], {}), init=init)
        for init, containers in ((True, spec.get("initContainers") or ()), (False, spec["containers"]))
        for container in containers
    )


def failed_containers(pod: Object) -> Iterator[tuple[str, bool]]:
    """Yield the containers whose log says something: name, and whether it is that of the run before."""
    for state in states(pod):
        if state.terminated and state.terminated.get("exitCode") and not _was_never_started(state.terminated):
            yield state.name, bool(state.waiting)


def container_cause(state: ContainerState, events: Iterable[Object], logs: Mapping[str, str]) -> Cause | None:
    """Return why a container does not run, None when it does, or is on its way."""
    reason, message = state.waiting.get("reason", ""), state.waiting.get("message", "")
    if reason in _IMAGE_REASONS:
        return causes.of_image(_pulling(state.name, events) or message or reason)
    if reason in _CONFIG_REASONS:
        return causes.of_config(message)
    if reason in _START_REASONS:
        return causes.of_start(message)
    if reason == "CrashLoopBackOff" or (not state.started and state.terminated.get("exitCode")):
        return _of_end(state, events, logs.get(state.name))
    return None


def failed_probe(containers: Sequence[str], events: Iterable[Object]) -> Cause | None:
    """Return which probe of these containers failed last, None when none has."""
    for event in _newest_first(events):
        found = _CHECKED.search(event.get("message", ""))
        name = _container_of(event)
        if event.get("reason") == "Unhealthy" and found and (name in containers or not name):
            kind = found[1].lower()
            return Cause(
                identifier=f"{kind}-probe-failing",
                what=f"the {kind} probe of {name or containers[0]} fails",
                why=found[2].strip() or None,
                fix="look at its log (`kubectl logs`), at the probe's port and path, and at `initialDelaySeconds`",
            )
    return None


def _state(container: Object, status: Object, *, init: bool) -> ContainerState:
    now = status.get("state") or {}
    ended = now.get("terminated") or {}
    running = "running" in now
    sidecar = container.get("restartPolicy") == "Always"
    return ContainerState(
        name=container["name"],
        init=init,
        started=(running and (not init or sidecar)) or (bool(ended) and ended.get("exitCode") == 0),
        ready=bool(status.get("ready")) or (bool(ended) and ended.get("exitCode") == 0),
        waiting=now.get("waiting") or {},
        terminated=ended or (status.get("lastState") or {}).get("terminated") or {},
    )


def _of_end(state: ContainerState, events: Iterable[Object], log: str | None) -> Cause:
    """Return why a container ended, or ends again and again."""
    end = state.terminated
    if _was_never_started(end):
        return causes.of_start(end.get("message", ""))
    cause = _of_code(state.name, end, list(events), log)
    return msgspec.structs.replace(cause, log=log.rstrip() if log and log.strip() else None)


def _of_code(name: str, end: Object, events: Sequence[Object], log: str | None) -> Cause:
    code = int(end.get("exitCode") or 0)
    said = end.get("message") or None
    if end.get("reason") == "OOMKilled":
        return Cause(
            identifier="out-of-memory",
            what=f"{name} needed more memory than its limit, and was killed",
            why=said,
            fix="raise `resources.limits.memory`, or make it use less",
        )
    if own := _last_error(log):
        return own
    if code == _HOOK_FAILED:
        fix = "look at what it wrote, and at hook.on-activate of the environment"
        return Cause(identifier="hook-failed", what=f"the hook of the environment of {name} failed", why=said, fix=fix)
    if code in {_SIGNALS + _KILL, _SIGNALS + _TERMINATE} and (probe := _killed_by_probe(name, events)):
        return probe
    if code == _NOT_FOUND:
        fix = "correct the command, or add its package: `breakbulk search`, `breakbulk install`, `breakbulk push`"
        return Cause(
            identifier="command-not-found", what=f"{name} ran a command that is not there (127)", why=said, fix=fix
        )
    if code == _NOT_EXECUTABLE:
        return Cause(
            identifier="command-not-executable", what=f"{name} ran something that is no program (126)", why=said
        )
    return _plainly(name, code, said)


def _plainly(name: str, code: int, said: str | None) -> Cause:
    if code == 0:
        fix = "what shall run once is a Job; what shall stay must not end"
        return Cause(identifier="container-ends", what=f"{name} ends without an error, and is started again", fix=fix)
    how = f"was ended by signal {code - _SIGNALS}" if code > _SIGNALS else f"ended with exit code {code}"
    return Cause(
        identifier="container-fails",
        what=f"{name} {how}",
        why=said,
        fix="look at its log; `breakbulk run` runs the same environment here",
    )


def _was_never_started(end: Object) -> bool:
    return end.get("reason") in _START_REASONS


def _last_error(log: str | None) -> Cause | None:
    """Return the error of ours that a container wrote last, as a failing hook does."""
    lines = [line for line in (log or "").splitlines() if line.startswith("breakbulk: ")]
    return causes.our_error(lines[-1]) if lines else None


def _killed_by_probe(name: str, events: Sequence[Object]) -> Cause | None:
    if any(event.get("reason") == "Killing" and "failed" in event.get("message", "") for event in events):
        return failed_probe([name], events)
    return None


def _pulling(name: str, events: Iterable[Object]) -> str:
    """Return what the runtime said of an image; the status only says that kubelet waits before it tries again."""
    said = (
        event["message"]
        for event in _newest_first(events)
        if event.get("reason") in {"Failed", "ErrImageNeverPull"} and _container_of(event) in {name, ""}
    )
    return next((words for words in said if "mage" in words and not words.startswith("Error: ")), "")


def _container_of(event: Object) -> str:
    """Return the container that an event is about, from `spec.containers{NAME}`."""
    found = re.search(r"\{(.*)\}", (event.get("involvedObject") or {}).get("fieldPath", ""))
    return found[1] if found else ""


def _newest_first(events: Iterable[Object]) -> list[Object]:
    return sorted(events, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", reverse=True)
