"""Options that say where things of a node are, and how containerd is restarted: the same for all of `breakbulk node`.

By default everything is where the Kubernetes distribution of this machine has it; the agent's unit and native clusters
name every path. Counterparts: `node.place`, `node.installing.units.agent_arguments`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from breakbulk.cli.invocation import Invocation
from breakbulk.errors import PlatformError

if TYPE_CHECKING:
    from breakbulk.node.installing.restarting import Restart
    from breakbulk.node.place import NodePlace

__all__ = ["need_root", "path_options", "place_of", "place_options", "restart_options", "restart_wanted"]

Callback = TypeVar("Callback", bound=Callable[..., Any])

_PATHS = (
    ("state", "Plans of environments, beside the store by default."),
    ("store", "Packages; by default BREAKBULK_STORE."),
    ("run", "Socket of the agent, records of pods; /run/breakbulk."),
    ("runtime", "The program that containerd calls; /usr/local/bin/breakbulk-runtime."),
    ("runc", "What that program calls in the end."),
    ("containerd", "The program containerd."),
    ("containerd-config", "The file that containerd is started with."),
    ("containerd-socket", "Where containerd listens."),
)


def place_options(function: Callback) -> Callback:
    """Give a command the options of `place_of`, which it is handed by name."""
    function = path_options(*(name for name, _ in _PATHS))(function)
    return click.option("--name", metavar="NODE", help="Of the Kubernetes node; the machine's name.")(function)


def path_options(*names: str) -> Callable[[Callback], Callback]:
    """Return what gives a command some of these options only."""

    def give(function: Callback) -> Callback:
        for name, meaning in reversed(_PATHS):
            if name in names:
                option = click.option(f"--{name}", type=click.Path(path_type=Path), metavar="PATH", help=meaning)
                function = option(function)
        return function

    return give


def place_of(invocation: Invocation, given: dict[str, Any]) -> NodePlace:
    """Return the place of the node: that of this machine, but for what was given."""
    import msgspec

    from breakbulk.node.place import NodePlace

    paths = {name.replace("-", "_") for name, _ in _PATHS}
    wanted = {name: value.absolute() for name, value in given.items() if value and name in paths}
    if given.get("name"):
        wanted["name"] = given["name"]
    return msgspec.structs.replace(NodePlace.default(invocation.settings), **wanted)


def restart_options(function: Callback) -> Callback:
    """Give a command the options of `restart_wanted`."""
    for option in (
        click.option(
            "--restart-command",
            metavar="COMMAND",
            help="What restarts containerd, where systemd does not: one line, as a shell splits it.",
        ),
        click.option("--restart/--no-restart", default=True, help="Restart containerd if it has to be; the default."),
    ):
        function = option(function)
    return function


def restart_wanted(place: NodePlace, *, restart: bool, restart_command: str | None) -> Restart | None:
    """Return what restarts containerd; None when nothing shall, or nobody knows how."""
    from breakbulk.node.installing import systemd
    from breakbulk.node.installing.restarting import restart_of_this_machine

    if not restart:
        return None
    if restart_command:
        words = shlex.split(restart_command)
        return lambda: systemd.run_command(words)
    return restart_of_this_machine(place)


def need_root() -> None:
    """Raise `PlatformError` (`root-needed`) for everybody else."""
    if os.geteuid() != 0:
        raise PlatformError(
            "this changes the machine, and you are not root",
            identifier="root-needed",
            hint="run it with sudo",
        )
