"""The programs of a native cluster: how each is called, what it reads, and how one sees that it is ready. Pure.

    first node    etcd, kube-apiserver, kube-controller-manager, kube-scheduler, coredns
    every node    containerd, kubelet, kube-proxy

The control plane is in the network namespace of the first node, so that it reaches pods and services as they reach it:
webhooks and aggregated APIs work. Each program listens at the address of its node, where this machine can ask it how it
is. Options: the reference of each program, https://kubernetes.io/docs/reference/command-line-tools-reference.
Counterparts: `bring_up` starts these; `credentials` issues what they prove themselves with; `imageless` adds the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import yaml

from breakbulk.cluster.addresses import Addresses
from breakbulk.cluster.images import PAUSE_NAME
from breakbulk.cluster.places import NativePlace, NodeDirectories
from breakbulk.cluster.programs import Programs

__all__ = [
    "CLUSTER_DOMAIN",
    "COREDNS_USER",
    "Blueprint",
    "Component",
    "Probe",
    "containerd",
    "control_plane",
    "coredns",
    "etcd",
    "kube_apiserver",
    "kubelet",
    "node_components",
]

CLUSTER_DOMAIN = "cluster.local"
COREDNS_USER = "system:coredns"
API_PORT = 6443

_ETCD_PORT, _ETCD_PEER_PORT = 2379, 2380
_COREDNS_READY_PORT = 9155
_POD_NETWORK_INTERFACE = "cni0"


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
        probe: How one sees that it is ready; none where the node's own condition says so.
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


def control_plane(plan: Blueprint) -> tuple[Component, ...]:
    """Return what runs once, in the order in which it starts."""
    return (etcd(plan), kube_apiserver(plan), _controller_manager(plan), _scheduler(plan), coredns(plan))


def node_components(plan: Blueprint, number: int) -> tuple[Component, ...]:
    """Return what runs on node 1, 2, ..., in the order in which it starts."""
    return (containerd(plan, number), kubelet(plan, number), _kube_proxy(plan, number))


def etcd(plan: Blueprint) -> Component:
    """Return the database, which only holders of a certificate of its own authority may open."""
    keys = plan.place.certificates / "etcd"
    clients = f"https://{plan.first}:{_ETCD_PORT}"
    peers = f"https://127.0.0.1:{_ETCD_PEER_PORT}"
    options = {
        "name": plan.nodes[0],
        "data-dir": plan.place.directory / "etcd",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"{plan.nodes[0]}={peers}",
        "cert-file": keys / "server.crt",
        "key-file": keys / "server.key",
        "trusted-ca-file": keys / "ca.crt",
        "client-cert-auth": "true",
        "peer-cert-file": keys / "server.crt",
        "peer-key-file": keys / "server.key",
        "peer-trusted-ca-file": keys / "ca.crt",
        "peer-client-cert-auth": "true",
        "log-level": "warn",
    }
    return _component(plan, "etcd", options, Probe(url=f"{clients}/health", is_etcd=True))


def kube_apiserver(plan: Blueprint) -> Component:
    """Return the API server."""
    keys = plan.place.certificates
    options = {
        "advertise-address": plan.first,
        "secure-port": API_PORT,
        "service-cluster-ip-range": plan.addresses.services,
        "etcd-servers": f"https://{plan.first}:{_ETCD_PORT}",
        "etcd-cafile": keys / "etcd" / "ca.crt",
        "etcd-certfile": keys / "etcd" / "apiserver.crt",
        "etcd-keyfile": keys / "etcd" / "apiserver.key",
        "client-ca-file": keys / "ca.crt",
        "tls-cert-file": keys / "apiserver.crt",
        "tls-private-key-file": keys / "apiserver.key",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "kubelet-certificate-authority": keys / "ca.crt",
        "kubelet-client-certificate": keys / "apiserver-kubelet-client.crt",
        "kubelet-client-key": keys / "apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-issuer": f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}",
        "service-account-key-file": keys / "service-accounts.pub",
        "service-account-signing-key-file": keys / "service-accounts.key",
        "proxy-client-cert-file": keys / "front-proxy" / "client.crt",
        "proxy-client-key-file": keys / "front-proxy" / "client.key",
        "requestheader-client-ca-file": keys / "front-proxy" / "ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "profiling": "false",
    }
    return _component(plan, "kube-apiserver", options, Probe(url=f"{plan.server}/readyz"))


def _controller_manager(plan: Blueprint) -> Component:
    keys, port = plan.place.certificates, 10257
    options = {
        **_client_options(plan, "kube-controller-manager"),
        "secure-port": port,
        "cluster-name": plan.place.name,
        "cluster-cidr": plan.addresses.pods,
        "allocate-node-cidrs": "false",  # where pods of a node are is decided before there is a node
        "service-cluster-ip-range": plan.addresses.services,
        "cluster-signing-cert-file": keys / "ca.crt",
        "cluster-signing-key-file": keys / "ca.key",
        "root-ca-file": keys / "ca.crt",
        "client-ca-file": keys / "ca.crt",
        "requestheader-client-ca-file": keys / "front-proxy" / "ca.crt",
        "service-account-private-key-file": keys / "service-accounts.key",
        "use-service-account-credentials": "true",
        "flex-volume-plugin-dir": plan.place.configuration / "volume-plugins",
    }
    return _component(plan, "kube-controller-manager", options, _health(plan, port))


def _scheduler(plan: Blueprint) -> Component:
    keys, port = plan.place.certificates, 10259
    options = {
        **_client_options(plan, "kube-scheduler"),
        "secure-port": port,
        "client-ca-file": keys / "ca.crt",
        "requestheader-client-ca-file": keys / "front-proxy" / "ca.crt",
    }
    return _component(plan, "kube-scheduler", options, _health(plan, port))


def coredns(plan: Blueprint) -> Component:
    """Return the name server of pods; kubelet tells them its address, which is that of the first node."""
    corefile = plan.place.configuration / "Corefile"
    probe = Probe(url=f"http://{plan.first}:{_COREDNS_READY_PORT}/ready")
    return Component(
        "coredns", plan.nodes[0], _arguments(plan, "coredns", {"conf": corefile}), probe, {corefile: _corefile(plan)}
    )


def containerd(plan: Blueprint, number: int) -> Component:
    """Return the container runtime of a node."""
    node = plan.directories(number)
    settings = node.containerd_configuration
    network = node.configuration / "cni" / "10-breakbulk.conflist"
    return Component(
        "containerd",
        node.name,
        _arguments(plan, "containerd", {"config": settings}),
        Probe(socket=node.containerd_socket),
        {settings: _containerd_configuration(plan, node, network.parent), network: _pod_network(plan, number)},
        variables=plan.proxies,
    )


def kubelet(plan: Blueprint, number: int) -> Component:
    """Return kubelet of a node."""
    node = plan.directories(number)
    settings, resolver = node.configuration / "kubelet.yaml", node.configuration / "resolv.conf"
    options = {
        "config": settings,
        "kubeconfig": plan.kubeconfig(node.name),
        "root-dir": node.kubelet,
        "cert-dir": node.kubelet / "pki",
        "hostname-override": node.name,
        "node-ip": plan.addresses.node(number),
    }
    files = {
        settings: _yaml(_kubelet_configuration(plan, number, resolver)),
        resolver: "".join(f"nameserver {server}\n" for server in plan.name_servers),
    }
    probe = Probe(url=f"http://{plan.addresses.node(number)}:10248/healthz")
    return Component("kubelet", node.name, _arguments(plan, "kubelet", options), probe, files)


def _kube_proxy(plan: Blueprint, number: int) -> Component:
    node, address = plan.directories(number), plan.addresses.node(number)
    settings = node.configuration / "kube-proxy.yaml"
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": str(plan.addresses.pods),
        "clientConnection": {"kubeconfig": str(plan.kubeconfig("kube-proxy"))},
        "hostnameOverride": node.name,
        "healthzBindAddress": f"{address}:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # Limits of connection tracking are the machine's, and not to be set from within a network namespace.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    probe = Probe(url=f"http://{address}:10256/livez")
    arguments = _arguments(plan, "kube-proxy", {"config": settings})
    return Component("kube-proxy", node.name, arguments, probe, {settings: _yaml(configuration)})


def _client_options(plan: Blueprint, name: str) -> dict[str, object]:
    """Return the options of a client of the API server that asks it who may look at itself."""
    kubeconfig = plan.kubeconfig(name)
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": plan.first,
        "tls-cert-file": plan.place.certificates / "control-plane.crt",
        "tls-private-key-file": plan.place.certificates / "control-plane.key",
        "leader-elect": "false",  # there is one, and it should not wait for a lease after it was killed
        "profiling": "false",
    }


def _health(plan: Blueprint, port: int) -> Probe:
    return Probe(url=f"https://{plan.first}:{port}/healthz")


def _component(plan: Blueprint, name: str, options: Mapping[str, object], probe: Probe) -> Component:
    return Component(name, plan.nodes[0], _arguments(plan, name, options), probe)


def _arguments(plan: Blueprint, program: str, options: Mapping[str, object]) -> tuple[str, ...]:
    dashes = "-" if program == "coredns" else "--"
    return (str(plan.programs[program]), *(f"{dashes}{name}={value}" for name, value in options.items()))


def _corefile(plan: Blueprint) -> str:
    forward = f"    forward . {' '.join(plan.name_servers)}\n" if plan.name_servers else ""
    return (
        ".:53 {\n"
        f"    bind {plan.first}\n"
        "    errors\n"
        f"    ready {plan.first}:{_COREDNS_READY_PORT}\n"
        f"    kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{\n"
        f"        kubeconfig {plan.kubeconfig('coredns')}\n"
        "        pods insecure\n"
        "        fallthrough in-addr.arpa ip6.arpa\n"
        "    }\n"
        f"{forward}"
        "    cache 30\n"
        "}\n"
    )


def _containerd_configuration(plan: Blueprint, node: NodeDirectories, networks: Path) -> str:
    """Return containerd's configuration, version 3 (containerd 2); drop-ins add runtimes to it."""
    return f"""\
version = 3
root = {_toml(node.directory / "containerd")}
state = {_toml(node.runtime / "containerd")}
imports = [{_toml(node.containerd_drop_ins / "*.toml")}]

[grpc]
  address = {_toml(node.containerd_socket)}

[plugins.'io.containerd.internal.v1.opt']
  path = {_toml(node.directory / "containerd" / "opt")}

[plugins.'io.containerd.nri.v1.nri']
  disable = true

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = {_toml(PAUSE_NAME)}

[plugins.'io.containerd.cri.v1.runtime']
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = {_toml(plan.restrict_oom_score)}

  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = [{_toml(plan.programs["cni"])}]
    conf_dir = {_toml(networks)}

  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'runc'

    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = 'io.containerd.runc.v2'

      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = {_toml(plan.programs["runc"])}
        Root = {_toml(node.runtime / "runc")}
        SystemdCgroup = false
"""


def _pod_network(plan: Blueprint, number: int) -> str:
    """Return how pods of a node are joined to it; what leaves the cluster is translated on this machine, not there."""
    node = plan.directories(number)
    addresses = {
        "type": "host-local",
        "dataDir": str(node.directory / "cni"),
        "ranges": [[{"subnet": str(plan.addresses.pods_of(number))}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": _POD_NETWORK_INTERFACE,
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    network = {"cniVersion": "1.0.0", "name": f"breakbulk.{node.name}", "plugins": [bridge, ports]}
    return msgspec.json.format(msgspec.json.encode(network), indent=2).decode() + "\n"


def _kubelet_configuration(plan: Blueprint, number: int, resolver: Path) -> dict[str, Any]:
    """Return kubelet's configuration; https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1."""
    node, keys = plan.directories(number), plan.place.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(keys / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(keys / f"{node.name}.crt"),
        "tlsPrivateKeyFile": str(keys / f"{node.name}.key"),
        "healthzBindAddress": str(plan.addresses.node(number)),
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [str(plan.first)],
        "resolvConf": str(resolver),
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{plan.place.control_group}/{node.name}",
        **({} if plan.has_unified_groups else {"failCgroupV1": False}),
        "failSwapOn": False,
        "podLogsDir": str(node.directory / "pods"),
        "volumePluginDir": str(node.directory / "volume-plugins"),
        "serializeImagePulls": False,
        # The disk is the user's: it may be fuller than a server's, and images without a registry must stay.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "64Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
            "imagefs.inodesFree": "1%",
        },
    }


def _toml(value: Path | str | bool) -> str:
    """Return a value as TOML has it; basic strings are JSON's."""
    return msgspec.json.encode(value if isinstance(value, bool) else str(value)).decode()


def _yaml(value: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(value, sort_keys=False))
