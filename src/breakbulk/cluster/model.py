"""What a cluster is asked to be and what it is, as values; every driver speaks of clusters in these words.

A name is part of names of interfaces, chains, control groups and nodes, so it is a short DNS label.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from breakbulk.errors import UsageError

__all__ = [
    "DEFAULT_NAME",
    "KINDS",
    "NAME_MAX",
    "NODES_MAX",
    "ClusterRequest",
    "ClusterState",
    "ClusterStatus",
    "ComponentState",
    "ComponentStatus",
    "DriverKind",
    "LogSource",
    "NodeStatus",
    "check_name",
    "node_names",
    "state_of",
]

DriverKind = Literal["native", "kind", "existing"]
KINDS: tuple[DriverKind, ...] = ("native", "kind", "existing")

ClusterState = Literal["running", "degraded", "stopped"]
"""`running`: every component runs and every node is ready; `stopped`: nothing runs; `degraded`: anything between."""

ComponentState = Literal["running", "unready", "stopped"]
"""`unready`: the process is there and does not answer, or says that it is not ready."""

LogSource = Path | tuple[str, ...]
"""A file, or the command that prints what is in none."""

DEFAULT_NAME = "breakbulk"
NAME_MAX = 20
NODES_MAX = 5

_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")


class ClusterRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What `up` is asked for; None stands for what the cluster has already, or else for the default.

    Attributes:
        name: Of the cluster.
        kubernetes: Version, as `1.35` or `v1.35.4`; by default the newest that was built.
        nodes: How many, 1 to `NODES_MAX`; by default one. A cluster grows when it is asked for more.
        imageless: Whether its nodes run pods that name an environment; by default they do. Others are bare: as a
            provider of Kubernetes gives them, for trying an installation out.
        kubeconfig: Of an existing cluster.
        context: In that file; by default its current one.
        image: Of the node agent, with which an existing cluster installs its nodes.

    """

    name: str = DEFAULT_NAME
    kubernetes: str | None = None
    nodes: int | None = None
    imageless: bool | None = None
    kubeconfig: Path | None = None
    context: str | None = None
    image: str | None = None


class ComponentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One program of a cluster: `node` is where it runs, `pid` its process on this machine, `log` what it writes."""

    name: str
    node: str | None
    state: ComponentState
    pid: int | None = None
    log: Path | None = None


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One node, as the API server sees it; `address` is its InternalIP."""

    name: str
    is_ready: bool
    address: str | None = None
    version: str | None = None
    why: str | None = None


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster as it is now.

    Attributes:
        name: Of the cluster.
        driver: What keeps it.
        state: Of all its parts together.
        kubernetes: Version of its API server, `v1.35.4`; None when that is not known.
        server: Address of its API server.
        kubeconfig: File with its only context as the current one.
        nodes: By name.
        components: Those that this driver can see, in the order in which they start.

    """

    name: str
    driver: DriverKind
    state: ClusterState
    kubernetes: str | None = None
    server: str | None = None
    kubeconfig: Path | None = None
    nodes: tuple[NodeStatus, ...] = ()
    components: tuple[ComponentStatus, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether everything is as it should be."""
        return self.state == "running"


def check_name(name: str) -> str:
    """Return a name that a cluster can have; raise `UsageError` (`cluster-name`) for any other."""
    if len(name) <= NAME_MAX and _NAME.fullmatch(name):
        return name
    raise UsageError(
        "this cannot be the name of a cluster",
        identifier="cluster-name",
        where=repr(name[:100]),
        why="it is part of the names of its nodes, interfaces and control groups",
        hint=f"take up to {NAME_MAX} lower case letters, digits and hyphens, a letter first, no hyphen last",
    )


def node_names(cluster: str, nodes: int) -> tuple[str, ...]:
    """Return the names of so many nodes; raise `UsageError` (`cluster-nodes`) when a cluster cannot have them."""
    if not 1 <= nodes <= NODES_MAX:
        raise UsageError(
            f"a cluster has 1 to {NODES_MAX} nodes", identifier="cluster-nodes", where=f"{nodes} nodes asked for"
        )
    return tuple(f"{cluster}-{number}" for number in range(1, nodes + 1))


def state_of(components: tuple[ComponentStatus, ...], nodes: tuple[NodeStatus, ...]) -> ClusterState:
    """Return what the states of all parts come to."""
    if all(component.state == "stopped" for component in components):
        return "stopped"
    healthy = all(component.state == "running" for component in components) and all(node.is_ready for node in nodes)
    return "running" if healthy else "degraded"
