"""What a native cluster consists of, as values: a program of one node, and all that the programs are told. Pure.

Counterparts: `control_plane`, `node_programs` and `imageless` say which programs there are; `bring_up` starts them, and
`looking` sees how they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from breakbulk.cluster.addresses import Addresses
from breakbulk.cluster.places import NativePlace, NodeDirectories
from breakbulk.cluster.programs import Programs

__all__ = ["API_PORT", "CLUSTER_DOMAIN", "Blueprint", "Component", "Probe"]

CLUSTER_DOMAIN = "cluster.local"
API_PORT = 6443


@dataclass(frozen=True)
class Probe:
    """How one sees that a program is ready: an address that answers 200, or a socket that listens."""

    url: str = ""
    socket: Path | None = None
    is_etcd: bool = False


@dataclass(frozen=True)
class Component:
    """One program.

    Attributes:
        name: Of the component and its log.
        node: That it runs on.
        arguments: The program first.
        files: What is written before it starts, by path.
        probe: How one sees that it is ready.
        variables: Added to its environment.
        is_in_namespace: Whether its network is the node's, not this machine's.

    """

    name: str
    node: str
    arguments: tuple[str, ...]
    probe: Probe
    files: Mapping[Path, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    is_in_namespace: bool = True


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """All that the programs of a cluster are told.

    Attributes:
        place: Paths and names.
        addresses: Networks.
        programs: What is started.
        nodes: Names, the first node first.
        name_servers: Addresses that nodes can reach, asked for names that are not the cluster's.
        has_unified_groups: Whether control groups are of version 2.
        restrict_oom_score: Whether this machine keeps even root from shielding a process from the killer.
        proxies: Variables that lead to a proxy, for those who speak to the world.
        agent_variables: The environment of whoever wants agents on the nodes; None where nobody does.

    """

    place: NativePlace
    addresses: Addresses
    programs: Programs
    nodes: tuple[str, ...]
    name_servers: tuple[str, ...] = ()
    has_unified_groups: bool = False
    restrict_oom_score: bool = False
    proxies: Mapping[str, str] = field(default_factory=dict)
    agent_variables: Mapping[str, str] | None = None

    @property
    def first(self) -> IPv4Address:
        """Address of the node with the control plane."""
        return self.addresses.node(1)

    @property
    def server(self) -> str:
        """Address of the API server."""
        return f"https://{self.first}:{API_PORT}"

    def directories(self, number: int) -> NodeDirectories:
        """Return the paths of node 1, 2, ..."""
        return self.place.node(self.nodes[number - 1])

    def kubeconfig(self, user: str) -> Path:
        """Return the kubeconfig of a component."""
        return self.place.configuration / f"{user}.kubeconfig"

    def command(self, program: str, options: Mapping[str, object]) -> tuple[str, ...]:
        """Return the arguments that call a program with options."""
        return (str(self.programs[program]), *(f"--{name}={value}" for name, value in options.items()))
