"""The programs of a native cluster that run once, on its first node: how each is called, and seen to be ready. Pure.

The control plane is in the network namespace of the first node, so that it reaches pods and services as they reach it:
webhooks and aggregated APIs work. Each program listens at the address of that node, where this machine can ask it how
it is. Options: https://kubernetes.io/docs/reference/command-line-tools-reference. Counterpart: `credentials` issues
what these prove themselves with.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakbulk.cluster.blueprint import API_PORT, CLUSTER_DOMAIN, Blueprint, Component, Probe

__all__ = ["COREDNS_USER", "control_plane", "coredns", "etcd", "kube_apiserver"]

COREDNS_USER = "system:coredns"

_ETCD_PORT, _ETCD_PEER_PORT = 2379, 2380
_COREDNS_READY_PORT = 9155


def control_plane(plan: Blueprint) -> tuple[Component, ...]:
    """Return what runs once, in the order in which it starts."""
    return (etcd(plan), kube_apiserver(plan), _controller_manager(plan), _scheduler(plan), coredns(plan))


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
        "allow-privileged": "true",  # as kubeadm and kind have it: what installs nodes is such a pod
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
        "coredns",
        plan.nodes[0],
        plan.command("coredns", {"conf": corefile}),
        probe,
        {corefile: _corefile(plan)},
    )


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
    return Component(name, plan.nodes[0], plan.command(name, options), probe)


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
