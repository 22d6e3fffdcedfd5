"""Everything that Kubernetes needs to install all its nodes by itself: one list of objects for `kubectl apply`.

Pure. The daemon set's first container puts program, runtime and configuration on the node (`hosting`), its second is
the agent. Counterparts: `kubernetes.objects` builds the objects, `units` is the same agent under systemd.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.kubernetes.objects import (
    NAMESPACE,
    AgentDaemon,
    agent_account,
    agent_daemon_set,
    agent_policy,
    namespace,
    runtime_classes,
)
from breakbulk.node.installing.hosting import DIRECTORY, RUNTIME
from breakbulk.node.installing.units import CAPABILITIES

__all__ = ["Deployment", "manifest"]


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What may be chosen.

    Attributes:
        image: Reference of an image with Python and Breakbulk, as `docs/nodes.md` says how to make one.
        hub: Address of the hub, empty for the one that `BREAKBULK_HUB` in the secret names.
        namespace: Of the agent.
        node_selector: Labels of the nodes that are to be installed.
        variables: Further settings of the agent.
        state: Directory of packages and plans on each node.
        run: Directory of the agent's socket on each node.
        directory: Where on each node the program is copied to.
        runc: As the next three, where it is on each node; None where it is looked for.
        containerd: ...
        containerd_config: ...
        containerd_socket: ...
        restart: Whether containerd is restarted when it has to be.
        restart_command: What does that, on nodes without systemd.

    """

    image: str
    hub: str = ""
    namespace: str = NAMESPACE
    node_selector: dict[str, str] = {}
    variables: dict[str, str] = {}
    state: Path = Path("/var/lib/breakbulk")
    run: Path = Path("/run/breakbulk")
    directory: Path = DIRECTORY
    runc: Path | None = None
    containerd: Path | None = None
    containerd_config: Path | None = None
    containerd_socket: Path | None = None
    restart: bool = True
    restart_command: str = ""


def manifest(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the objects, in the order in which they have to be made."""
    return [
        namespace(deployment.namespace),
        *agent_account(in_namespace=deployment.namespace),
        *agent_policy(in_namespace=deployment.namespace),
        *runtime_classes(),
        agent_daemon_set(_daemon(deployment)),
    ]


def _daemon(deployment: Deployment) -> AgentDaemon:
    paths = ("--state", str(deployment.state), "--store", str(deployment.state), "--run", str(deployment.run))
    name = ("--name", "$(NODE_NAME)")
    return AgentDaemon(
        image=deployment.image,
        command=("breakbulk", "node", "agent", *name, *paths),
        install_command=("breakbulk", "node", "install", "--host", "/host", *name, *_on_node(deployment), *paths),
        install_directory=str(deployment.directory),
        host_directories=(str(deployment.state), str(deployment.run)),
        environment=_variables(deployment),
        capabilities=tuple(name.removeprefix("CAP_") for name in CAPABILITIES),
        node_selector={"kubernetes.io/os": "linux", **deployment.node_selector},
        namespace=deployment.namespace,
    )


def _on_node(deployment: Deployment) -> list[str]:
    """Return the options of an installation that not the agent, but the node has a use for."""
    options = {
        "directory": deployment.directory,
        "runtime": deployment.directory / RUNTIME,
        "runc": deployment.runc,
        "containerd": deployment.containerd,
        "containerd-config": deployment.containerd_config,
        "containerd-socket": deployment.containerd_socket,
        "restart-command": deployment.restart_command,
    }
    words = [word for name, value in options.items() if value for word in (f"--{name}", str(value))]
    return words if deployment.restart else [*words, "--no-restart"]


def _variables(deployment: Deployment) -> Mapping[str, str]:
    hub = {"BREAKBULK_HUB": deployment.hub} if deployment.hub else {}
    return {**deployment.variables, **hub, "BREAKBULK_STORE": str(deployment.state)}
