"""The programs of a native cluster that run on every node: containerd, kubelet, kube-proxy, and what they read. Pure.

Each is in the network namespace of its node, keeps everything in directories of its node, and answers this machine at
the address of its node. Counterpart: `imageless` adds the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from breakbulk.cluster.blueprint import CLUSTER_DOMAIN, Blueprint, Component, Probe
from breakbulk.cluster.images import PAUSE_NAME
from breakbulk.cluster.places import NodeDirectories

__all__ = ["containerd", "kubelet", "node_programs"]

_POD_NETWORK_INTERFACE = "cni0"


def node_programs(plan: Blueprint, number: int) -> tuple[Component, ...]:
    """Return what runs on node 1, 2, ..., in the order in which it starts."""
    return (containerd(plan, number), kubelet(plan, number), _kube_proxy(plan, number))


def containerd(plan: Blueprint, number: int) -> Component:
    """Return the container runtime of a node."""
    node = plan.directories(number)
    settings = node.containerd_configuration
    network = node.configuration / "cni" / "10-breakbulk.conflist"
    return Component(
        "containerd",
        node.name,
        plan.command("containerd", {"config": settings}),
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
        node.static_pods / ".keep": "",  # so that the directory is there; kubelet does not look at hidden files
    }
    probe = Probe(url=f"http://{plan.addresses.node(number)}:10248/healthz")
    return Component("kubelet", node.name, plan.command("kubelet", options), probe, files)


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
    arguments = plan.command("kube-proxy", {"config": settings})
    return Component("kube-proxy", node.name, arguments, probe, {settings: _yaml(configuration)})


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

[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = {_toml(plan.place.registries)}

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
        "staticPodPath": str(node.static_pods),
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
