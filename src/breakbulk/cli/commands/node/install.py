"""`breakbulk node install`: containerd learns of our runtime, systemd of our agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import need_root, place_of, place_options, restart_options, restart_wanted
from breakbulk.errors import NotFoundError

if TYPE_CHECKING:
    from breakbulk.node.installing.installation import Installed
    from breakbulk.node.installing.units import AgentService
    from breakbulk.node.place import NodePlace

__all__ = ["command"]


@declare(
    "install",
    ("sudo breakbulk node install", "Install on this machine, or upgrade."),
    ("sudo breakbulk node install --no-restart", "Leave the restart of containerd for later."),
    ("sudo breakbulk node install --runc /usr/bin/nvidia-container-runtime", "Give pods the GPUs that they ask for."),
    ("breakbulk node install --print", "Show what containerd's configuration needs, and change nothing."),
    environment=False,
)
@restart_options
@click.option(
    "--agent/--no-agent", default=None, help="Have systemd run the node agent; the default where systemd runs."
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="For the agent; by default kubelet's, which reaches this node and its pods only.",
)
@click.option(
    "--python",
    metavar="PATH",
    help="Interpreter of the runtime program; by default the distribution's if it is 3.11 or newer, else this one.",
)
@click.option(
    "--host",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="In a container of a daemon set: install on the node whose root file system is here.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="With --host, where on the node the program is copied to; /opt/breakbulk.",
)
@click.option("--print", "print_only", is_flag=True, help="Print the tables for containerd, and change nothing.")
@place_options
def command(
    invocation: Invocation,
    *,
    restart: bool,
    restart_command: str | None,
    agent: bool | None,
    kubeconfig: Path | None,
    python: str | None,
    host: Path | None,
    directory: Path | None,
    print_only: bool,
    **given: Any,
) -> int | None:
    """Install what a node needs to run pods without images.

    Writes a runtime program, names it in containerd's configuration, restarts containerd once, and starts the node
    agent. The configuration is tried out first and keeps everything it says; a second installation changes nothing.
    Running pods go on.
    """
    place = place_of(invocation, given)
    if print_only:
        _print_tables(invocation, place)
        return None
    need_root()
    if host is not None:
        from breakbulk.node.installing.hosting import DIRECTORY, install_on_host

        how = ["--restart-command", restart_command] if restart_command else []
        how += [] if restart else ["--no-restart"]
        return install_on_host(host, _handed_on(given), how, directory=directory or DIRECTORY)
    import msgspec

    from breakbulk.node.installing import systemd
    from breakbulk.node.installing.installation import Program, install

    wanted = systemd.runs_here() if agent is None else agent
    done = install(
        place,
        invocation,
        restart=restart_wanted(place, restart=restart, restart_command=restart_command),
        program=msgspec.structs.replace(Program.running(), python=python) if python else None,
        service=_service(invocation, kubeconfig) if wanted else None,
    )
    invocation.report({"node": place.name, **_document(done)}, lambda: _text(place, done))
    if done.restart_pending:
        invocation.suggest("restart containerd; running pods go on")
    else:
        invocation.suggest("breakbulk node doctor")
    return None


def _handed_on(given: dict[str, Any]) -> list[str]:
    """Return the options that say where things of the node are: they hold on the node as well."""
    return [word for name, value in given.items() if value for word in (f"--{name.replace('_', '-')}", str(value))]


def _print_tables(invocation: Invocation, place: NodePlace) -> None:
    from breakbulk.node.installing.containerd import merged
    from breakbulk.node.installing.runtimes import tables, wanted

    current = merged(place.containerd, place.containerd_config)
    text = tables(wanted(current, str(place.runtime)), current.version).strip()
    invocation.show({"version": current.version, "tables": text}, text)


def _service(invocation: Invocation, kubeconfig: Path | None) -> AgentService:
    import sys

    from breakbulk.node.distributions import kubelet_kubeconfig
    from breakbulk.node.installing.units import AgentService, handed_on

    settings = invocation.settings
    found = kubeconfig or kubelet_kubeconfig()
    if found is None or not found.is_file():
        raise NotFoundError(
            "the agent has no credentials for the cluster",
            identifier="kubeconfig-missing",
            where=str(found) if found else "/etc/kubernetes/kubelet.conf, /var/lib/kubelet/kubeconfig",
            hint="name kubelet's with `--kubeconfig`, or leave the agent to a DaemonSet with `--no-agent`",
        )
    return AgentService(
        python=sys.executable,
        kubeconfig=found.absolute(),
        configuration=settings.configuration,
        cache=settings.cache,
        variables=handed_on(settings),
    )


def _document(done: Installed) -> dict[str, Any]:
    return {
        "changed": done.changed,
        "images": done.images,
        "restarted": done.restarted,
        "restart_pending": done.restart_pending,
    }


def _text(place: NodePlace, done: Installed) -> str:
    if not done.changed and not done.images and not done.restarted:
        return f"node {place.name} is installed already"
    lines = [f"node {place.name} is installed", *(f"  {name}" for name in (*done.changed, *done.images))]
    return "\n".join([*lines, *(["containerd was restarted"] if done.restarted else [])])
