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
from breakbulk.node.hosting import RUNTIME
from breakbulk.node.units import CAPABILITIES

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

    """

    image: str
    hub: str = ""
    namespace: str = NAMESPACE
    node_selector: dict[str, str] = {}
    variables: dict[str, str] = {}
    state: Path = Path("/var/lib/breakbulk")
    run: Path = Path("/run/breakbulk")


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
    return AgentDaemon(
        image=deployment.image,
        command=("breakbulk", "node", "agent", "--name", "$(NODE_NAME)", *paths),
        install_command=("breakbulk", "node", "install", "--host", "/host", "--runtime", str(RUNTIME), *paths),
        host_directories=(str(deployment.state), str(deployment.run)),
        environment=_variables(deployment),
        capabilities=tuple(name.removeprefix("CAP_") for name in CAPABILITIES),
        node_selector={"kubernetes.io/os": "linux", **deployment.node_selector},
        namespace=deployment.namespace,
    )


def _variables(deployment: Deployment) -> Mapping[str, str]:
    hub = {"BREAKBULK_HUB": deployment.hub} if deployment.hub else {}
    return {**deployment.variables, **hub, "BREAKBULK_STORE": str(deployment.state)}
