"""What makes a node of a native cluster run pods without images: the runtime, and the agent beside kubelet.

The same code as on any other node (`node.installing`) does it; only paths differ, as a machine holds several nodes
here. The agent is a process of the node, in its control groups, but in this machine's network: it reaches whatever hub
this machine reaches, one on the loopback interface too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from breakbulk.cluster.blueprint import Blueprint, Component, Probe
from breakbulk.kubernetes.objects import AGENT
from breakbulk.node.installing.installation import Program, install
from breakbulk.node.installing.restarting import is_older_than, restart_containerd
from breakbulk.node.installing.units import agent_arguments
from breakbulk.node.place import NodePlace

__all__ = ["agent", "agent_variables", "install_node", "mend_bare_node", "node_place"]

_RESTART_S = 60.0
_METRICS_PORT = 9464
"""Of the first node; those of the others follow."""


def node_place(plan: Blueprint, number: int) -> NodePlace:
    """Return where everything of node 1, 2, ... is."""
    node = plan.directories(number)
    return NodePlace(
        name=node.name,
        state=node.breakbulk,
        store=node.breakbulk / "store",
        run=node.runtime / "breakbulk",
        runtime=node.breakbulk / "breakbulk-runtime",
        runc=plan.programs["runc"],
        containerd_config=node.containerd_configuration,
        containerd=plan.programs["containerd"],
        containerd_socket=node.containerd_socket,
    )


def install_node(plan: Blueprint, number: int, restart: Callable[[], None]) -> None:
    """Have containerd of a node know our runtime; it is restarted only if it runs and did not know it.

    Raises:
        PlatformError: As `node.installation.install`.

    """
    node = plan.directories(number)
    node.containerd_drop_ins.mkdir(mode=0o700, parents=True, exist_ok=True)
    install(node_place(plan, number), restart=restart)


def mend_bare_node(plan: Blueprint, number: int, restart: Callable[[], None]) -> None:
    """Restart containerd of a node that somebody else installs, if it has not read yet what was written or removed."""
    place, directory = node_place(plan, number), plan.directories(number).containerd_configuration.parent
    if is_older_than(place, [directory, *directory.rglob("*")]):  # removals change a directory
        restart_containerd(place, restart, deadline_s=_RESTART_S)


def agent(plan: Blueprint, number: int) -> Component:
    """Return the agent of a node; kubelet's own rights reach what concerns this node and no more."""
    place, program = node_place(plan, number), Program.running()
    metrics = f"{plan.addresses.gateway}:{_METRICS_PORT + number - 1}"
    return Component(
        AGENT,
        place.name,
        (
            *(program.python, "-m", "breakbulk", "node", "agent"),
            *agent_arguments(place),
            *("--kubeconfig", str(plan.kubeconfig(place.name)), "--metrics", metrics),
        ),
        Probe(url=f"http://{metrics}/readyz"),
        is_in_namespace=False,
        variables={**(plan.agent_variables or {}), **agent_variables(plan, number)},
    )


def agent_variables(plan: Blueprint, number: int) -> Mapping[str, str]:
    """Return the settings of an agent that are not its caller's."""
    place = node_place(plan, number)
    return {
        "BREAKBULK_STORE": str(place.store),
        "BREAKBULK_CACHE": str(place.state / "cache"),
        "PYTHONPATH": Program.running().source,
    }
