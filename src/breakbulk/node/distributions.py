"""Where the distributions of Kubernetes keep containerd, its configuration, and the credentials of kubelet.

k3s and RKE2 bring a containerd of their own and write its configuration anew whenever they start; everybody else starts
the machine's containerd as a service. What is there decides, nothing is asked of a running program.
Sources: docs.k3s.io/advanced, docs.rke2.io/advanced, kubernetes.io (kubeadm implementation details), the EKS images.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

__all__ = ["Distribution", "distribution", "kubelet_kubeconfig", "kubelet_settings"]


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which Kubernetes comes to a node.

    Attributes:
        name: `k3s`, `rke2` or `containerd`.
        containerd: Program.
        runc: Program.
        containerd_config: The file that containerd is started with.
        containerd_socket: Where it listens.
        services: Units of systemd that run it; the first that is active counts.

    """

    name: str
    containerd: Path
    runc: Path
    containerd_config: Path
    containerd_socket: Path
    services: tuple[str, ...]


def distribution(*, root: Path = Path("/"), search: str = "") -> Distribution:
    """Return the distribution of this machine.

    Args:
        root: Where the file system to look at begins; the paths that are returned begin there too.
        search: Directories of programs, as in PATH, for the machine's own containerd and runc.

    """
    for found in (_k3s(root), _rke2(root)):
        if found.containerd_config.parent.is_dir():
            return found
    return Distribution(
        name="containerd",
        containerd=_program("containerd", root, search),
        runc=_program("runc", root, search),
        containerd_config=root / "etc/containerd/config.toml",
        containerd_socket=root / "run/containerd/containerd.sock",
        services=("containerd.service",),
    )


def kubelet_kubeconfig(root: Path = Path("/")) -> Path | None:
    """Return the credentials with which kubelet speaks to the API server: they reach what concerns this node only."""
    candidates = (
        "etc/kubernetes/kubelet.conf",  # kubeadm
        "var/lib/rancher/k3s/agent/kubelet.kubeconfig",
        "var/lib/rancher/rke2/agent/kubelet.kubeconfig",
        "var/lib/kubelet/kubeconfig",  # EKS, GKE, AKS
        "etc/kubernetes/kubelet/kubeconfig",
    )
    return next((root / path for path in candidates if (root / path).is_file()), None)


def kubelet_settings(root: Path = Path("/")) -> Path | None:
    """Return kubelet's configuration file, None where it is given by options."""
    candidates = (
        "var/lib/kubelet/config.yaml",  # kubeadm
        "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf",
        "var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf",
        "etc/kubernetes/kubelet/config.json",  # EKS
        "etc/kubernetes/kubelet/kubelet-config.json",
        "home/kubernetes/kubelet-config.yaml",  # GKE
    )
    return next((root / path for path in candidates if (root / path).is_file()), None)


def _k3s(root: Path) -> Distribution:
    directory = root / "var/lib/rancher/k3s"
    return Distribution(
        name="k3s",
        containerd=directory / "data/current/bin/containerd",
        runc=directory / "data/current/bin/runc",
        containerd_config=directory / "agent/etc/containerd/config.toml",
        containerd_socket=root / "run/k3s/containerd/containerd.sock",
        services=("k3s.service", "k3s-agent.service"),
    )


def _rke2(root: Path) -> Distribution:
    directory = root / "var/lib/rancher/rke2"
    return Distribution(
        name="rke2",
        containerd=directory / "bin/containerd",
        runc=directory / "bin/runc",
        containerd_config=directory / "agent/etc/containerd/config.toml",
        containerd_socket=root / "run/k3s/containerd/containerd.sock",
        services=("rke2-server.service", "rke2-agent.service"),
    )


def _program(name: str, root: Path, search: str) -> Path:
    """Return where a program of the machine is, or would be."""
    usual = (f"{root}/usr/bin", f"{root}/usr/sbin", f"{root}/usr/local/bin", f"{root}/usr/local/sbin")
    found = shutil.which(name, path=":".join((*(entry for entry in search.split(":") if entry), *usual)))
    return Path(found) if found else root / "usr/bin" / name
