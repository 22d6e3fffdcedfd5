"""Turn what a caller asks for into a `Launch`, and run it: `Environment.launch` and `breakbulk run` come here.

Services: those that are named; without names all of them where the manifest says `services.auto-start`. Where services
of the project run in the background already, they are used, and left running.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from breakbulk.environment import sandbox, service_socket, services
from breakbulk.environment.specification import Launch, current_directory, parse_mounts
from breakbulk.manifest.schema import Manifest
from breakbulk.reporting import Reporter

__all__ = ["Origin", "launch", "prepare"]


class Origin(Protocol):
    """What a launch needs of an environment; `breakbulk.library.Environment` is one."""

    @property
    def directory(self) -> Path:
        """The project."""

    @property
    def state(self) -> Path:
        """Where what can be had again is kept."""

    @property
    def name(self) -> str:
        """What the prompt shows."""

    @property
    def manifest(self) -> Manifest:
        """Composed."""

    @property
    def reporter(self) -> Reporter:
        """Who is told."""


def prepare(
    origin: Origin,
    lowers: Sequence[Path],
    command: Sequence[str] | None,
    *,
    host: Mapping[str, str],
    mounts: Sequence[str] = (),
    pure: bool = False,
    network: bool = True,
    directory: Path | None = None,
) -> Launch:
    """Return the launch of a command, or of a shell when `command` is None; without services.

    Raises:
        UsageError: `mount-invalid`, `current-directory-gone`.

    """
    current = current_directory() if directory is None else directory
    project = origin.directory.resolve()
    return Launch(
        lowers=tuple(lowers),
        project=project,
        directory=current,
        command=None if command is None else tuple(command),
        host=host,
        manifest=origin.manifest,
        name=origin.name,
        state=origin.state,
        mounts=parse_mounts(mounts, current),
        network=network,
        pure=pure,
    )


def launch(
    origin: Origin,
    lowers: Sequence[Path],
    command: Sequence[str] | None,
    /,
    *,
    services: Sequence[str] = (),
    mounts: Sequence[str] = (),
    pure: bool = False,
    network: bool = True,
    environment: Mapping[str, str],
) -> int:
    """Run a command, or a shell, and return its exit status. Forks: call it from a process with one thread.

    Raises:
        NotFoundError: `service-unknown`.
        BreakbulkError: What `prepare` and `sandbox.run` raise.

    """
    prepared = prepare(origin, lowers, command, host=environment, mounts=mounts, pure=pure, network=network)
    if not services and not origin.manifest.services_auto_start:
        return sandbox.run(prepared, origin.reporter)
    return _launch_with_services(origin, prepared, tuple(services))


def _launch_with_services(origin: Origin, prepared: Launch, names: tuple[str, ...]) -> int:
    wanted = services.select(origin.manifest, names)
    complete = msgspec.structs.replace(prepared, services=wanted)
    if not wanted:
        return sandbox.run(prepared, origin.reporter)
    if services.supervised(prepared.state):
        services.start(complete, origin.reporter)
        return sandbox.run(prepared, origin.reporter)
    with service_socket.own(prepared.state):
        return sandbox.run(complete, origin.reporter)
