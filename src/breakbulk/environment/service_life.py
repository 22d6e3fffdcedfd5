"""The words of `supervision`: phases of a service, what can happen to it, what is to be done for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from breakbulk.manifest.schema import Service

__all__ = [
    "ALIVE",
    "Command",
    "Ended",
    "Event",
    "Forked",
    "Kill",
    "Phase",
    "Probe",
    "ProbeEnded",
    "Restart",
    "Spawn",
    "Start",
    "State",
    "Stop",
    "Supervision",
    "Terminate",
    "Tick",
]

Phase = Literal["stopped", "waiting", "starting", "ready", "backoff", "stopping", "completed", "failed"]

ALIVE: frozenset[Phase] = frozenset({"starting", "ready", "stopping"})
"""Phases in which there are processes."""


class _Named(msgspec.Struct, frozen=True):
    name: str


class Start(msgspec.Struct, frozen=True):
    """Someone wants these services, and what they depend on, to run."""

    names: tuple[str, ...]


class Stop(msgspec.Struct, frozen=True):
    """Someone wants these services, and what depends on them, to end."""

    names: tuple[str, ...]


class Restart(msgspec.Struct, frozen=True):
    """Someone wants these services, and what runs and depends on them, to end and start again."""

    names: tuple[str, ...]


class Ended(_Named, frozen=True):
    """The last process of a service has ended; `status` as a shell gives it."""

    status: int


class Forked(_Named, frozen=True):
    """The command of a daemon has ended with status 0 and left the daemon behind."""


class ProbeEnded(_Named, frozen=True):
    """A look at whether the service is ready."""

    ready: bool


class Tick(msgspec.Struct, frozen=True):
    """Time has passed; see `supervision.next_moment`."""


Event = Start | Stop | Restart | Ended | Forked | ProbeEnded | Tick


class Spawn(_Named, frozen=True):
    """Start the service's command."""


class Probe(_Named, frozen=True):
    """Look whether the service is ready."""


class Terminate(_Named, frozen=True):
    """Ask the service to end: `shutdown.command`, or SIGTERM."""


class Kill(_Named, frozen=True):
    """Kill every process of the service."""


Command = Spawn | Probe | Terminate | Kill


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One service.

    Attributes:
        phase: See `supervision`.
        wanted: Whether it is to run.
        since: When the phase began.
        restarts: How often it was started again by policy since someone wanted it.
        status: How it ended last.
        reason: Why it has failed, or is being stopped.
        because_of: The failed service without which it cannot start.
        deadline: When it must be ready.
        probe_at: When to look again; None while a look is under way, or none is needed.
        again_at: When the pause before a restart ends, or, while stopping, when to kill.
        pause_s: The last pause.
        restarting: Whether it starts again as soon as it has stopped.

    """

    phase: Phase = "stopped"
    wanted: bool = False
    since: float = 0.0
    restarts: int = 0
    status: int | None = None
    reason: str | None = None
    because_of: str | None = None
    deadline: float | None = None
    probe_at: float | None = None
    again_at: float | None = None
    pause_s: float = 0.0
    restarting: bool = False


class Supervision(msgspec.Struct, frozen=True):
    """All services of an environment: what the manifest says, and what is."""

    services: Mapping[str, Service]
    states: Mapping[str, State]
