"""Do what `supervision` decides: start and end services, look whether they are ready, answer requests.

Part of process 1 of the sandbox. Every service has a `ServiceProcess` and a log; others speak to the supervisor over a
socket in the project's directory (`service_socket`; the requests are in `services`).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

import msgspec

from breakbulk.environment import service_socket, supervision
from breakbulk.environment.channel import Message, as_message
from breakbulk.environment.lookup import find_program
from breakbulk.environment.reactor import Reactor
from breakbulk.environment.service_life import (
    Command,
    Ended,
    Event,
    Forked,
    Kill,
    Probe,
    ProbeEnded,
    Restart,
    Spawn,
    Start,
    State,
    Stop,
    Terminate,
    Tick,
)
from breakbulk.environment.service_logs import LogFile, log_path, tail
from breakbulk.environment.service_processes import ServiceProcess
from breakbulk.environment.signals import Mask
from breakbulk.environment.specification import Launch
from breakbulk.errors import ActivationError, CommandNotFoundError, ServiceError

__all__ = ["Supervisor"]

_LINES_TOLD = 20
_OPTIONS = ("--norc", "--noprofile", "-c")


class Supervisor:
    """The services of one launch; a context manager that ends them, first those that depend on others.

    Args:
        reactor: Of this process.
        launch: Whose manifest has the services.
        environment: Their variables.
        mask: Signal mask of programs.
        tell: Hears of failures and restarts.

    """

    def __init__(
        self, reactor: Reactor, launch: Launch, environment: Mapping[str, str], mask: Mask, tell: Callable[[str], None]
    ) -> None:
        self._reactor = reactor
        self._state = launch.state
        self._tell = tell
        self._supervision = supervision.begin(launch.manifest.services)
        self._waiting: list[tuple[Callable[[], bool], Callable[[], None]]] = []
        self._asked_to_end = False
        self._next_tick = float("inf")
        shell = [_find_bash(environment["PATH"]), *_OPTIONS]
        self._processes = {
            name: ServiceProcess(
                service,
                LogFile(log_path(launch.state, name)),
                shell=shell,
                environment={**environment, **service.vars, "BREAKBULK_SERVICE": name},
                directory=str(launch.project),
                mask=mask,
                reactor=reactor,
            )
            for name, service in launch.manifest.services.items()
        }

    def __enter__(self) -> Self:
        self._server = service_socket.listen(self._state)
        self._reactor.watch(self._server.fileno(), self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        names = tuple(self._processes)
        self._feed(Stop(names))
        self._reactor.run_until(lambda: supervision.at_rest(self._supervision, names))
        self._reactor.unwatch(self._server.fileno())
        self._server.close()
        service_socket.remove(self._state)

    @property
    def dismissed(self) -> bool:
        """Whether someone has asked for the end of services, and none is left."""
        return self._asked_to_end and supervision.at_rest(self._supervision, self._processes)

    def start(self, names: Iterable[str]) -> None:
        """Start services, and what they depend on."""
        self._feed(Start(tuple(names)))

    def settled(self, names: Iterable[str]) -> bool:
        """Tell whether each of `names` is ready, or will not become so."""
        return supervision.settled(self._supervision, names)

    def failure(self, names: Iterable[str]) -> Message | None:
        """Return the error of the first of `names` that has failed, as a message."""
        failed = (name for name in names if self._supervision.states[name].phase == "failed")
        name = next(failed, None)
        return None if name is None else as_message(self._failed(name))

    def raise_failure(self, names: Iterable[str]) -> None:
        """Raise `ServiceError` when one of `names` has failed: `service-not-ready` or `service-failed`."""
        for name in names:
            if self._supervision.states[name].phase == "failed":
                raise self._failed(name)

    def _failed(self, name: str) -> ServiceError:
        """Return the error; what it tells of the log is of the service that has failed first."""
        culprit = supervision.culprit(self._supervision, name)
        reason = self._supervision.states[culprit].reason or ""
        path = log_path(self._state, culprit)
        lines = tail(path, _LINES_TOLD).decode(errors="replace").rpartition("] starting\n")[2].rstrip()
        return ServiceError(
            f"service {name!r} has failed: {reason if culprit == name else f'it needs {culprit!r}: {reason}'}",
            identifier="service-not-ready" if "not ready" in reason else "service-failed",
            where=str(path),
            why=f"its last lines are\n{lines}" if lines else None,
            hint=f"breakbulk services logs {culprit}",
        )

    def _feed(self, event: Event) -> None:
        before = self._supervision.states
        self._supervision, commands = supervision.step(self._supervision, event, time.monotonic())
        for command in commands:
            self._execute(command)
        for name, state in self._supervision.states.items():
            if state.phase != before[name].phase:
                self._note(name, state)
        self._schedule()
        self._answer()

    def _execute(self, command: Command) -> None:
        name = command.name
        process = self._processes[name]
        match command:
            case Spawn():
                process.spawn(
                    on_forked=partial(self._feed, Forked(name)), on_ended=lambda status: self._feed(Ended(name, status))
                )
            case Probe():
                process.probe(lambda ready: self._feed(ProbeEnded(name, ready)))
            case Terminate():
                process.terminate()
            case Kill():
                process.kill()

    def _note(self, name: str, state: State) -> None:
        details = f" ({state.reason})" if state.reason else ""
        if state.phase in {"completed", "failed", "stopped", "backoff"} and state.status is not None:
            details = details or f" (status {state.status})"
        self._processes[name].log.note(f"{state.phase}{details}")
        if state.phase in {"failed", "backoff"}:
            self._tell(f"service {name}: {state.phase}{details}")

    def _schedule(self) -> None:
        moment = supervision.next_moment(self._supervision)
        if moment is not None and moment < self._next_tick:
            self._next_tick = moment
            self._reactor.at(moment, self._tick)

    def _tick(self) -> None:
        self._next_tick = float("inf")
        self._feed(Tick())

    def _accept(self) -> None:
        connection, _address = self._server.accept()
        self._reactor.watch(connection.fileno(), partial(self._take_request, connection))

    def _take_request(self, connection: socket.socket) -> None:
        """Act on a request; it is short, so it comes in one piece."""
        self._reactor.unwatch(connection.fileno())
        data = connection.recv(65536)
        if not data:
            connection.close()
            return
        request = msgspec.json.decode(data)
        names = tuple(name for name in request["names"] or self._processes if name in self._processes)
        match request["do"]:
            case "start":
                self._promise(connection, names, lambda: self.settled(names))
                self._feed(Start(names))
            case "restart":
                self._promise(connection, names, lambda: self.settled(names))
                self._feed(Restart(names))
            case "stop":
                self._asked_to_end = True
                self._promise(connection, names, lambda: supervision.at_rest(self._supervision, names))
                self._feed(Stop(names))
            case _:
                self._reply(connection, names)

    def _promise(self, connection: socket.socket, names: tuple[str, ...], kept: Callable[[], bool]) -> None:
        self._waiting.append((kept, lambda: self._reply(connection, names)))

    def _answer(self) -> None:
        kept = [reply for is_kept, reply in self._waiting if is_kept()]
        self._waiting = [entry for entry in self._waiting if entry[1] not in kept]
        for reply in kept:
            reply()

    def _reply(self, connection: socket.socket, names: Iterable[str]) -> None:
        answer = {"failure": self.failure(names), "services": [self._describe(name) for name in names]}
        with connection:
            connection.settimeout(1.0)
            try:
                connection.sendall(msgspec.json.encode(answer) + b"\n")
            except OSError:  # the one who asked is gone; nobody misses the answer
                return

    def _describe(self, name: str) -> dict[str, Any]:
        state = self._supervision.states[name]
        has_ready = self._supervision.services[name].ready is not None
        return {
            "name": name,
            "state": "running" if state.phase == "ready" and not has_ready else state.phase,
            "pid": self._processes[name].main,
            "namespace": os.stat("/proc/self/ns/pid").st_ino,
            "since": time.time() - (time.monotonic() - state.since) if state.since else None,
            "restarts": state.restarts,
            "exit_code": state.status,
            "reason": state.reason,
        }


def _find_bash(path: str) -> str:
    try:
        return find_program("bash", path)
    except CommandNotFoundError:
        raise ActivationError(
            "the manifest has services, but the environment has no bash to run them",
            identifier="hook-needs-bash",
            hint='breakbulk install deb:bash, or set options.base = "minimal"',
        ) from None
