"""Who is who in a native cluster: the certificates and kubeconfigs that its components prove themselves with.

The names and groups of users are Kubernetes' own (https://kubernetes.io/docs/reference/access-authn-authz/rbac), so
that the roles which an API server brings along fit.
"""

from __future__ import annotations

from breakbulk.cluster.blueprint import CLUSTER_DOMAIN, Blueprint
from breakbulk.cluster.certificates import Authority, Identity, open_authority, private_key, write_private
from breakbulk.cluster.control_plane import COREDNS_USER
from breakbulk.cluster.kubeconfigs import kubeconfig

__all__ = ["ADMINISTRATOR", "issue_credentials"]

ADMINISTRATOR = "administrator"
_MASTERS = ("system:masters",)


def issue_credentials(plan: Blueprint) -> None:
    """Write every key, certificate and kubeconfig that is missing or no longer holds; raise `OSError`."""
    keys = plan.place.certificates
    authority = open_authority(keys, f"breakbulk-{plan.place.name}")
    for server in _servers(plan):
        authority.issue(server)
    authority.issue(Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", _MASTERS))
    private_key(keys / "service-accounts.key")
    _issue_for_etcd(plan)
    open_authority(keys / "front-proxy", "front-proxy-ca").issue(Identity("client", "front-proxy-client"))
    _write_kubeconfigs(plan, authority)


def _servers(plan: Blueprint) -> list[Identity]:
    services = [f"kubernetes.default.svc.{CLUSTER_DOMAIN}".rsplit(".", cut)[0] for cut in range(5)]
    api = (*services, "localhost", "127.0.0.1", str(plan.first), str(plan.addresses.api_service))
    kubelets = [
        Identity(name, f"system:node:{name}", ("system:nodes",), (name, str(plan.addresses.node(number))))
        for number, name in enumerate(plan.nodes, 1)
    ]
    return [
        Identity("apiserver", "kube-apiserver", hosts=api),
        Identity("control-plane", "control-plane", hosts=("localhost", "127.0.0.1", str(plan.first))),
        *kubelets,
    ]


def _issue_for_etcd(plan: Blueprint) -> None:
    authority = open_authority(plan.place.certificates / "etcd", "etcd-ca")
    authority.issue(Identity("server", "etcd", hosts=("localhost", "127.0.0.1", str(plan.first))))
    authority.issue(Identity("apiserver", "kube-apiserver-etcd-client"))


def _write_kubeconfigs(plan: Blueprint, authority: Authority) -> None:
    plan.place.configuration.mkdir(mode=0o700, parents=True, exist_ok=True)
    users = [
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("coredns", COREDNS_USER),
    ]
    for user in users:
        write_private(plan.kubeconfig(user.file), _kubeconfig(plan, authority, user))
    for server in _servers(plan):
        if server.organizations:
            write_private(plan.kubeconfig(server.file), _kubeconfig(plan, authority, server))
    write_private(plan.place.kubeconfig, _kubeconfig(plan, authority, Identity(ADMINISTRATOR, ADMINISTRATOR, _MASTERS)))


def _kubeconfig(plan: Blueprint, authority: Authority, user: Identity) -> bytes:
    certificate, key = authority.issue(user)
    return kubeconfig(
        f"breakbulk-{plan.place.name}",
        plan.server,
        user.file,
        authority=authority.certificate.read_bytes(),
        certificate=certificate.read_bytes(),
        key=key.read_bytes(),
    ).encode()
