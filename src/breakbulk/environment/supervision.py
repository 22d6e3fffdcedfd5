"""What happens to services, decided without doing anything: events in, commands out.

`step` takes a state and an event and returns the new state with the commands that `supervisor` is to execute. Time is
an argument, so tests are scripts of events. The life of a service:

    stopped ─start─► waiting ─dependencies ready─► starting ─ready─► ready ─stop─► stopping ─ended─► stopped
                        ▲                             │                │
                        └────── backoff ◄─────────────┴──── ended ─────┴──► completed (status 0) │ failed

Rules beyond the manifest's words: a service that is not ready `ready.timeout-s` after it was first started has failed,
whatever its restart policy; stopping a service first stops those that depend on it; the pause before a restart is 1 s
and doubles to 30 s, and begins at 1 s again after 30 s of being ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from breakbulk.environment.service_life import (
    ALIVE,
    Command,
    Ended,
    Event,
    Forked,
    Kill,
    Phase,
    Probe,
    ProbeEnded,
    Restart,
    Spawn,
    Start,
    State,
    Stop,
    Supervision,
    Terminate,
    Tick,
)
from breakbulk.manifest.schema import Service

__all__ = ["at_rest", "begin", "culprit", "next_moment", "settled", "step"]

PAUSE_S = 1.0
PAUSE_MAX_S = 30.0
STABLE_S = 30.0
GRACE_S = 10.0
"""Between asking a service to end and killing it."""
DAEMON_TIMEOUT_S = 60.0
"""For the command of a daemon that does not say when it is ready to leave the daemon behind."""

_AT_REST: frozenset[Phase] = frozenset({"completed", "failed", "stopped"})


def begin(services: Mapping[str, Service]) -> Supervision:
    """Return the state in which nothing runs."""
    return Supervision(services, {name: State() for name in services})


def step(supervision: Supervision, event: Event, now: float) -> tuple[Supervision, list[Command]]:
    """Return what is after `event`, and what to do; `now` in seconds, never less than before."""
    work = _Step(supervision, now)
    work.take(event)
    work.advance()
    return Supervision(supervision.services, work.states), work.commands


def settled(supervision: Supervision, names: Iterable[str]) -> bool:
    """Tell whether each of `names` is ready, or will not become so by itself."""
    states = [supervision.states[name] for name in names]
    return all(state.phase in _AT_REST or (state.phase == "ready" and state.wanted) for state in states)


def at_rest(supervision: Supervision, names: Iterable[str]) -> bool:
    """Tell whether none of `names` has processes, or is about to have."""
    return all(supervision.states[name].phase in _AT_REST for name in names)


def culprit(supervision: Supervision, name: str) -> str:
    """Return the service whose own failure is why `name` has failed; `name`, where it is that itself."""
    while (cause := supervision.states[name].because_of) is not None and supervision.states[cause].phase == "failed":
        name = cause
    return name


def next_moment(supervision: Supervision) -> float | None:
    """Return when a `Tick` is due, None when only events from outside can change anything."""
    moments = [
        moment
        for state in supervision.states.values()
        for moment in (state.deadline, state.probe_at, state.again_at)
        if moment is not None
    ]
    return min(moments, default=None)


class _Step:
    """One step in the making."""

    def __init__(self, supervision: Supervision, now: float) -> None:
        self._services = supervision.services
        self.states = dict(supervision.states)
        self.commands: list[Command] = []
        self._now = now

    def take(self, event: Event) -> None:
        match event:
            case Start(names):
                for name in self._closure(names, self._dependencies):
                    self._want(name)
            case Stop(names):
                for name in self._closure(names, self._dependents):
                    self._unwant(name, restarting=False)
            case Restart(names):
                self._restart(names)
            case Ended(name, status):
                self._ended(name, status)
            case Forked(name):
                self._started(name)
            case ProbeEnded(name, ready):
                self._probed(name, ready=ready)
            case Tick():
                for name in self.states:
                    self._tick(name)

    def advance(self) -> None:
        """Start and stop whatever no longer has to wait for another."""
        changed = True
        while changed:
            changes = [self._advance_one(name) for name in self._services]
            changed = any(changes)

    def _advance_one(self, name: str) -> bool:
        state = self.states[name]
        if state.phase == "waiting":
            return self._start_or_fail(name)
        leaving = state.phase in {"starting", "ready"} and not state.wanted
        if leaving and not any(self.states[other].phase in ALIVE for other in self._dependents(name)):
            self._end(name, state.reason)
            return True
        return False

    def _start_or_fail(self, name: str) -> bool:
        needed = {other: self.states[other] for other in self._dependencies(name)}
        failed = [other for other, state in needed.items() if state.phase == "failed"]
        if failed:
            reason = f"{failed[0]}, which it depends on, has failed"
            self._set(name, phase="failed", wanted=False, reason=reason, because_of=failed[0])
            return True
        if not all(_satisfied(state) for state in needed.values()):
            return False
        self._spawn(name)
        return True

    def _spawn(self, name: str) -> None:
        self.commands.append(Spawn(name))
        timeout_s, deadline = _timeout_s(self._services[name]), self.states[name].deadline
        if timeout_s is not None and deadline is None:
            deadline = self._now + timeout_s
        self._set(name, phase="starting", deadline=deadline, again_at=None)
        if not self._services[name].is_daemon:
            self._started(name)

    def _started(self, name: str) -> None:
        """The command runs, or the daemon does: look whether it is ready, where there is something to look at."""
        if self.states[name].phase != "starting":
            return
        if self._services[name].ready is None:
            self._set(name, phase="ready", deadline=None)
        else:
            self._set(name, probe_at=self._now)

    def _want(self, name: str) -> None:
        state = self.states[name]
        if state.phase == "stopping":
            self._set(name, wanted=True, restarting=True)
        elif state.phase in {"stopped", "completed", "failed"}:
            fresh = {"restarts": 0, "status": None, "reason": None, "because_of": None, "pause_s": 0.0}
            self._set(name, phase="waiting", wanted=True, **fresh)
        else:
            self._set(name, wanted=True)

    def _unwant(self, name: str, *, restarting: bool) -> None:
        phase = self.states[name].phase
        if phase in {"waiting", "backoff"}:
            self._set(name, phase="stopped", wanted=False, deadline=None, again_at=None)
        elif phase in ALIVE:
            self._set(name, wanted=False, restarting=restarting, reason=None)

    def _restart(self, names: Iterable[str]) -> None:
        asked = set(names)
        for name in self._closure(names, self._dependents):
            if self.states[name].phase in ALIVE:
                self._unwant(name, restarting=True)
            elif name in asked:
                for needed in self._closure([name], self._dependencies):
                    self._want(needed)

    def _end(self, name: str, reason: str | None) -> None:
        self.commands.append(Terminate(name))
        self._set(name, phase="stopping", reason=reason, deadline=None, probe_at=None, again_at=self._now + GRACE_S)

    def _ended(self, name: str, status: int) -> None:
        state, policy = self.states[name], self._services[name].restart
        lasted_s = self._now - state.since if state.phase == "ready" else 0.0
        self._set(name, status=status, probe_at=None, again_at=None)
        if state.phase == "stopping" or not state.wanted:
            self._stopped(name)
        elif policy == "always" or (policy == "on-failure" and status != 0):
            pause_s = PAUSE_S if lasted_s >= STABLE_S else min(PAUSE_MAX_S, max(PAUSE_S, state.pause_s * 2))
            deadline = None if state.phase == "ready" else state.deadline
            self._set(
                name,
                phase="backoff",
                pause_s=pause_s,
                again_at=self._now + pause_s,
                restarts=state.restarts + 1,
                deadline=deadline,
            )
        elif status == 0 and state.phase == "ready":
            self._set(name, phase="completed", wanted=False, deadline=None)
        else:
            before = "" if state.phase == "ready" else " before it was ready"
            reason = f"it ended with status {status}{before}"
            self._set(name, phase="failed", wanted=False, deadline=None, reason=reason)

    def _stopped(self, name: str) -> None:
        state = self.states[name]
        if state.restarting:
            self._set(name, phase="stopped", restarting=False, deadline=None)
            self._want(name)
        else:
            self._set(name, phase="failed" if state.reason else "stopped", wanted=False, deadline=None)

    def _probed(self, name: str, *, ready: bool) -> None:
        service, state = self._services[name], self.states[name]
        if state.phase != "starting" or service.ready is None:
            return
        if ready:
            self._set(name, phase="ready", deadline=None, probe_at=None)
        else:
            self._set(name, probe_at=self._now + service.ready.interval_s)

    def _tick(self, name: str) -> None:
        state = self.states[name]
        if _due(state.deadline, self._now):
            self._too_late(name)
        elif _due(state.again_at, self._now):
            if state.phase == "stopping":
                self.commands.append(Kill(name))
                self._set(name, again_at=None)
            else:
                self._set(name, phase="waiting", again_at=None)
        elif _due(state.probe_at, self._now):
            self.commands.append(Probe(name))
            self._set(name, probe_at=None)

    def _too_late(self, name: str) -> None:
        reason = f"it was not ready after {_timeout_s(self._services[name]):g} s"
        if self.states[name].phase == "starting":
            self._set(name, wanted=False)
            self._end(name, reason)
        else:
            self._set(name, phase="failed", wanted=False, deadline=None, again_at=None, reason=reason)

    def _set(self, name: str, **changes: object) -> None:
        if changes.get("phase", self.states[name].phase) != self.states[name].phase:
            changes["since"] = self._now
        self.states[name] = msgspec.structs.replace(self.states[name], **changes)

    def _dependencies(self, name: str) -> list[str]:
        return [other for other in self._services[name].depends_on if other in self._services]

    def _dependents(self, name: str) -> list[str]:
        return [other for other, service in self._services.items() if name in service.depends_on]

    def _closure(self, names: Iterable[str], related: Callable[[str], list[str]]) -> list[str]:
        """Return `names` and all that is related to them, however far."""
        found: list[str] = []
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.append(name)
                waiting.extend(related(name))
        return found


def _satisfied(needed: State) -> bool:
    """Tell whether what depends on a service may start; not on one that is about to restart."""
    return needed.phase == "completed" or (needed.phase == "ready" and needed.wanted)


def _timeout_s(service: Service) -> float | None:
    if service.ready is not None:
        return service.ready.timeout_s
    return DAEMON_TIMEOUT_S if service.is_daemon else None


def _due(moment: float | None, now: float) -> bool:
    return moment is not None and moment <= now
