"""`breakbulk services`: start, stop and watch the services of the environment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

import click

from breakbulk.cli import completing
from breakbulk.cli.declaration import Group, declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, columns, human_duration
from breakbulk.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from breakbulk.environment.services import ServiceStatus
    from breakbulk.library import Runnable

__all__ = ["command"]

_HEADER = ("NAME", "STATE", "FOR", "PID", "RESTARTS", "REMARK")
_RIGHT = frozenset({3, 4})

command = Group(
    "services",
    help="Start, stop and watch the services of the environment.\n\n"
    "They are declared in [services] of the manifest, run in the background, and start and end in the order of their "
    "dependencies.",
    examples=(
        ("breakbulk services start postgres", "Start a service, and what it depends on, and wait until it is ready."),
        ("breakbulk services logs postgres --follow", "Watch what it writes."),
    ),
)

_names = click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=completing.service_names)


@declare(
    "start",
    ("breakbulk services start", "Start all services."),
    ("breakbulk services start postgres redis", "Start two, and what they depend on."),
)
@_names
def start(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Start services in the background and wait until they are ready.

    Without NAME all services are started. They go on until `breakbulk services stop`.
    """
    environment = _with_services(invocation)
    realised = environment.realise()
    invocation.close()
    _report(invocation, environment.services.start(names, realised=realised))


@declare(
    "stop",
    ("breakbulk services stop", "Stop all services."),
    ("breakbulk services stop redis", "Stop one, and first those that depend on it."),
)
@_names
def stop(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Stop services and wait for their end."""
    environment = _with_services(invocation)
    _report(invocation, environment.services.stop(names or environment.services.select()))


@declare(
    "restart",
    ("breakbulk services restart", "Restart all services, in the environment as it is now."),
    ("breakbulk services restart postgres", "Restart one."),
)
@_names
def restart(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Stop services and start them again."""
    environment = _with_services(invocation)
    realised = environment.realise()
    invocation.close()
    _report(invocation, environment.services.restart(names, realised=realised))


@declare("status", ("breakbulk services status", "Show every service."))
@_names
def status(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Show how the services are."""
    environment = _with_services(invocation)
    found = environment.services.status(names)
    invocation.show({"services": found}, lambda: _text(found, invocation.style))


@declare(
    "logs",
    ("breakbulk services logs postgres", "Show the last lines that a service wrote."),
    ("breakbulk services logs --follow", "Watch all services until Control-C."),
)
@_names
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many of each.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
def logs(invocation: Invocation, names: tuple[str, ...], lines: int, follow: bool) -> None:
    """Show what services wrote, also of those that have ended.

    Of several services each line begins with the name.
    """
    if follow and invocation.json:
        raise UsageError("--json prints one document, and --follow never ends", hint="leave one of them out")
    environment = _with_services(invocation)
    selected = environment.services.select(names)
    written = {name: environment.services.log(name, lines).decode(errors="replace") for name in selected}
    document = {"logs": {name: text.splitlines() for name, text in written.items()}}
    prefixes = {name: f"{name}  " if len(selected) > 1 else "" for name in selected}
    invocation.show(document, lambda: "\n".join(_prefixed(written[name], prefixes[name]) for name in selected).strip())
    if follow:
        _follow(environment, prefixes)


def _with_services(invocation: Invocation) -> Runnable:
    """Open the environment; raise `NotFoundError` when it has no services at all."""
    environment = invocation.runnable()
    if not environment.services.select():
        raise NotFoundError(
            "the environment has no services",
            identifier="services-none",
            where=environment.place,
            hint='add one with `breakbulk edit`: [services] redis.command = "redis-server"',
        )
    return environment


def _report(invocation: Invocation, found: Sequence[ServiceStatus]) -> None:
    invocation.report({"services": found}, lambda: _text(found, invocation.style))


def _text(found: Sequence[ServiceStatus], look: Style) -> str:
    return columns(_HEADER, [_row(service) for service in found], look, right=_RIGHT)


def _row(service: ServiceStatus) -> tuple[str, ...]:
    lasted = human_duration(max(0.0, time.time() - service.since)) if service.since else ""
    ended = "" if service.exit_code is None else f"ended with {service.exit_code}"
    return (
        service.name,
        service.state,
        lasted,
        str(service.pid or ""),
        str(service.restarts),
        service.reason or ended,
    )


def _prefixed(text: str, prefix: str) -> str:
    return "\n".join(f"{prefix}{line}" for line in text.splitlines())


def _follow(environment: Runnable, prefixes: Mapping[str, str]) -> None:
    """Print what the services write until the user has seen enough."""
    written: SimpleQueue[tuple[str, bytes]] = SimpleQueue()

    def read(name: str) -> None:
        for data in environment.services.follow(name):
            written.put((name, data))

    for name in prefixes:
        threading.Thread(target=read, args=(name,), daemon=True).start()
    begun = dict.fromkeys(prefixes, b"")
    try:
        while True:
            name, data = written.get()
            *lines, begun[name] = (begun[name] + data).split(b"\n")
            for line in lines:
                print(f"{prefixes[name]}{line.decode(errors='replace')}", flush=True)
    except KeyboardInterrupt:
        return


for _command in (start, stop, restart, status, logs):
    command.add_command(_command)
