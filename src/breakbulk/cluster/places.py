"""Where everything of a native cluster is: paths, interfaces, control groups, chains, all derived from its name.

    <state>/clusters/NAME/            what outlives a restart of the machine
      cluster.json kubeconfig pki/ etcd/ configuration/ logs/ images/
      nodes/NODE/                     containerd/ kubelet/ pods/ cni/ breakbulk/ configuration/ logs/
    /run/breakbulk/clusters/NAME/     what need not: sockets, network namespaces, state of containers
    bb-NAME, b1-NAME, b2-NAME ...     the bridge of the cluster, this machine's end of each node's cable
    /breakbulk-NAME/NODE/COMPONENT    control groups, in every hierarchy

As nothing is found by anything but the name, `taking_down` needs no record of what `bring_up` did, wherever that ended.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RUNTIME", "SOCKET_PATH_MAX", "NativePlace", "NodeDirectories"]

RUNTIME = Path("/run/breakbulk/clusters")
"""One for the whole machine, as the names of interfaces and control groups are."""

SOCKET_PATH_MAX = 107
"""Bytes of the path of a socket; `sun_path` of unix(7) without its closing zero."""

_INTERFACE_NAME_MAX = 12
"""Of the cluster's part in the name of an interface, which has at most 15 bytes."""


@dataclass(frozen=True)
class NodeDirectories:
    """The paths of one node.

    Attributes:
        name: Of the node.
        directory: What outlives a restart of the machine.
        runtime: What need not.

    """

    name: str
    directory: Path
    runtime: Path

    @property
    def configuration(self) -> Path:
        """Of its components."""
        return self.directory / "configuration"

    @property
    def containerd_configuration(self) -> Path:
        """What containerd is started with; `*.toml` in `config.d` beside it adds to it."""
        return self.configuration / "containerd" / "config.toml"

    @property
    def containerd_drop_ins(self) -> Path:
        """Directory of files that add to containerd's configuration."""
        return self.containerd_configuration.parent / "config.d"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.runtime / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        """Root directory of kubelet."""
        return self.directory / "kubelet"

    @property
    def static_pods(self) -> Path:
        """Directory of manifests of pods that kubelet runs by itself."""
        return self.configuration / "static-pods"

    @property
    def network_namespace(self) -> Path:
        """File that the network namespace of the node is mounted on."""
        return self.runtime / "network"

    @property
    def breakbulk(self) -> Path:
        """What the node agent keeps: packages, plans."""
        return self.directory / "breakbulk"

    @property
    def longest_socket(self) -> Path:
        """The socket with the longest path that a program of the node makes."""
        return self.kubelet / "device-plugins" / "kubelet.sock"


@dataclass(frozen=True)
class NativePlace:
    """The paths and names of one cluster.

    Attributes:
        name: Of the cluster, one that `model.check_name` accepts.
        directory: `records.cluster_directory` of it.

    """

    name: str
    directory: Path

    @property
    def runtime(self) -> Path:
        """What need not outlive a restart of the machine."""
        return RUNTIME / self.name

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.directory / "kubeconfig"

    @property
    def certificates(self) -> Path:
        """Directory of all keys and certificates."""
        return self.directory / "pki"

    @property
    def configuration(self) -> Path:
        """Of the control plane."""
        return self.directory / "configuration"

    @property
    def registries(self) -> Path:
        """Where users say how their registries are reached: `HOST:PORT/hosts.toml`, containerd's `config_path`."""
        return self.configuration / "registries"

    @property
    def bridge(self) -> str:
        """Interface that joins the nodes; its address is this machine's among them."""
        return f"bb-{self._short_name}"

    @property
    def chain(self) -> str:
        """Chain of this machine's packet filter that holds the rules of the cluster; iptables allows 28 bytes."""
        return f"BB-{self.name}"

    @property
    def control_group(self) -> str:
        """Control group of everything, relative to the root of each hierarchy."""
        return f"breakbulk-{self.name}"

    def node(self, name: str) -> NodeDirectories:
        """Return the paths of a node."""
        return NodeDirectories(name, self.directory / "nodes" / name, self.runtime / name)

    def cable(self, number: int) -> str:
        """Return the interface of this machine that ends in node 1, 2, ..."""
        return f"b{number}-{self._short_name}"

    def component_group(self, node: str, component: str) -> str:
        """Return the control group of a component, relative to the root of each hierarchy."""
        return f"{self.control_group}/{node}/{component}"

    def log(self, node: str, component: str) -> Path:
        """Return the log of a component of a node."""
        return self.directory / "nodes" / node / "logs" / f"{component}.log"

    @property
    def _short_name(self) -> str:
        if len(self.name) <= _INTERFACE_NAME_MAX:
            return self.name
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return f"{self.name[:6]}-{digest[:5]}"
