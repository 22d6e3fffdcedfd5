"""Services of a project, from outside: start them in the background, stop, restart, look at them, read their logs.

`breakbulk services` is a client of this module. All services of a project run in one sandbox of their own, whose
process 1 is the `supervisor`; they share this machine's network and the project's files with every `breakbulk run`.
`run --service` has its services in its own sandbox, and answers here as well while it runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.environment import service_logs, service_socket
from breakbulk.environment.channel import Message, as_message, rebuilt
from breakbulk.environment.service_logs import log_path
from breakbulk.environment.specification import Launch
from breakbulk.errors import BreakbulkError, NotFoundError, ServiceError
from breakbulk.manifest.schema import Manifest
from breakbulk.reporting import SILENT, Reporter

__all__ = ["ServiceStatus", "follow_log", "read_log", "restart", "select", "start", "status", "stop", "supervised"]


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service.

    Attributes:
        name: In the manifest.
        state: `stopped`, `waiting` (for another), `starting`, `running`, `ready`, `backoff` (before a restart),
            `stopping`, `completed` (by itself, status 0) or `failed`.
        pid: Its oldest process, as this machine counts.
        since: When the state began, in seconds since 1970.
        restarts: How often it was restarted by policy.
        exit_code: How it ended last.
        reason: Why it has failed.

    """

    name: str
    state: str = "stopped"
    pid: int | None = None
    since: float | None = None
    restarts: int = 0
    exit_code: int | None = None
    reason: str | None = None


def select(manifest: Manifest, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return `names`, or all services that there are on this machine's system when none is named.

    Raises:
        NotFoundError: `service-unknown`.

    """
    system = f"{os.uname().machine}-linux"
    there = [
        name for name, service in manifest.services.items() if service.systems is None or system in service.systems
    ]
    for name in names:
        if name not in there:
            elsewhere = name in manifest.services
            raise NotFoundError(
                f"service {name!r} is not for {system}" if elsewhere else f"there is no service {name!r}",
                identifier="service-unknown",
                where=f"services.{name}",
                hint=f"the services are {', '.join(there)}" if there else "add one to [services] in the manifest",
            )
    return tuple(names or there)


def supervised(state: Path) -> bool:
    """Tell whether someone looks after services now; `state` is that of their `Launch`."""
    return service_socket.holder(state) is not None


def start(launch: Launch, reporter: Reporter = SILENT) -> tuple[ServiceStatus, ...]:
    """Start `launch.services`, and what they depend on, in the background, and wait until they are ready.

    Forks: call it from a process with one thread. Where services of the project run already, the others join them, in
    the environment as it was when those were started.

    Raises:
        ServiceError: `service-not-ready`, `service-failed`; the others go on.
        BreakbulkError: What `sandbox.run` raises.

    """
    if not supervised(launch.state):
        failure = _detach(launch)
        if failure is not None:
            raise rebuilt(failure)
        return status(launch.state, launch.services)
    reporter.note("services of this project are running already, in the environment they were started with")
    return _asked(launch.state, "start", launch.services)


def stop(state: Path, names: Sequence[str] = ()) -> tuple[ServiceStatus, ...]:
    """Stop services, and first those that depend on them; all when none is named. Waits for their end."""
    return _asked(state, "stop", names) if supervised(state) else _resting(names)


def restart(launch: Launch, reporter: Reporter = SILENT) -> tuple[ServiceStatus, ...]:
    """Restart `launch.services`; where those are all, in the environment as it is now."""
    if supervised(launch.state) and set(launch.services) < set(launch.manifest.services):
        return _asked(launch.state, "restart", launch.services)
    stop(launch.state)
    _wait_for_end(launch.state)
    return start(launch, reporter)


def status(state: Path, names: Sequence[str]) -> tuple[ServiceStatus, ...]:
    """Return how services are; raise `ServiceError` `services-unreachable`."""
    return _asked(state, "status", names) if supervised(state) else _resting(names)


def read_log(state: Path, name: str, lines: int) -> bytes:
    """Return the last `lines` lines of a service's log, empty when it has never run."""
    return service_logs.tail(log_path(state, name), lines)


def follow_log(state: Path, name: str) -> Iterator[bytes]:
    """Yield what a service writes from now on, for ever."""
    return service_logs.follow(log_path(state, name))


def _asked(state: Path, verb: str, names: Sequence[str]) -> tuple[ServiceStatus, ...]:
    answer = service_socket.ask(state, {"do": verb, "names": list(names)})
    if answer["failure"] is not None and verb in {"start", "restart"}:
        raise rebuilt(answer["failure"])
    return tuple(_translated(answer["services"]))


def _resting(names: Iterable[str]) -> tuple[ServiceStatus, ...]:
    return tuple(ServiceStatus(name=name) for name in names)


def _translated(services: list[dict[str, Any]]) -> Iterator[ServiceStatus]:
    """Replace process numbers of the sandbox by this machine's; `man 5 proc_pid_status`, NSpid."""
    for fields in services:
        namespace, inner = fields.pop("namespace"), fields.pop("pid")
        outer = None if inner is None else _outer_process(namespace, inner)
        yield ServiceStatus(**fields, pid=outer)


def _outer_process(namespace: int, inner: int) -> int | None:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns/pid").stat().st_ino == namespace and _number_within(entry) == inner:
                    return int(entry.name)
            except OSError:  # it has ended, or is none of ours
                continue
    return None


def _number_within(entry: Path) -> int:
    lines = (entry / "status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])


def _detach(launch: Launch) -> Message | None:
    """Start a sandbox that outlives this process; return the failure of its services, None when there is none."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                os.close(told)
                _be_detached(launch, tell)
        finally:
            os._exit(0)
    os.close(tell)
    os.waitpid(child, 0)
    with os.fdopen(told, "rb") as file:
        message = file.readline()
    if not message:
        path = log_path(launch.state, "supervisor")
        raise ServiceError("the supervisor has ended at once", identifier="services-unreachable", where=str(path))
    failure: Message | None = msgspec.json.decode(message)
    return failure


def _be_detached(launch: Launch, tell: int) -> None:
    """Be the process that a background sandbox belongs to; it never returns to its caller's code."""
    from breakbulk.environment import sandbox

    def say(failure: Message | None) -> None:
        os.write(tell, msgspec.json.encode(failure) + b"\n")

    def settled(message: Message) -> None:
        say(message["settled"])
        os.close(tell)

    _redirect(log_path(launch.state, "supervisor"))
    try:
        with service_socket.own(launch.state):
            sandbox.run(msgspec.structs.replace(launch, detached=True, command=None), SILENT, settled)
    except BreakbulkError as error:
        say(as_message(error))


def _redirect(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    nothing = os.open("/dev/null", os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)


def _wait_for_end(state: Path) -> None:
    """Wait until the processes of a sandbox that was told to end have gone."""
    deadline = time.monotonic() + 30
    while supervised(state):
        if time.monotonic() > deadline:
            raise ServiceError("the services do not end", identifier="services-unreachable", where=str(state))
        time.sleep(0.01)
