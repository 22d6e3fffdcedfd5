"""The programs that Kubernetes consists of: which versions were built on this machine, and where.

    <settings.kubernetes>/v1.35.4/bin/kubelet, ..., cni/bridge, ...

`make kubernetes` is the counterpart; nothing is downloaded here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from breakbulk.errors import ClusterError

__all__ = ["NEEDED", "Programs", "find_programs"]

NEEDED = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
    "coredns",
    "cni/bridge",
    "cni/host-local",
    "cni/loopback",
    "cni/portmap",
)

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Programs:
    """One version; `directory` holds the programs."""

    version: str
    directory: Path

    def __getitem__(self, name: str) -> Path:
        """Return the path of a program."""
        return self.directory / name


def find_programs(root: Path, wanted: str | None = None) -> Programs:
    """Return the newest version that was built and is `wanted` (`1.35`, `v1.35.4`), where something is.

    Raises:
        ClusterError: `kubernetes-missing`: there is no such version, or not all of it.

    """
    versions = _versions(root, wanted)
    if not versions:
        raise _missing(root, f"there is no Kubernetes {wanted}" if wanted else "no Kubernetes was built")
    programs = Programs(versions[-1], root / versions[-1] / "bin")
    absent = [name for name in NEEDED if not os.access(programs[name], os.X_OK)]
    if absent:
        raise _missing(programs.directory, f"there is no {', '.join(absent)}")
    return programs


def _versions(root: Path, wanted: str | None) -> list[str]:
    """Return the directories of the versions that are wanted, the oldest first."""
    prefix = _numbers(wanted) if wanted else ()
    if prefix is None:
        return []
    found = [(numbers, path.name) for path in root.glob("v*") if (numbers := _numbers(path.name))]
    return [name for numbers, name in sorted(found) if numbers[: len(prefix)] == prefix]


def _numbers(text: str) -> tuple[int, ...] | None:
    match = _VERSION.fullmatch(text)
    return tuple(int(number) for number in match.groups() if number is not None) if match else None


def _missing(where: Path, why: str) -> ClusterError:
    return ClusterError(
        "the programs of Kubernetes are not there",
        identifier="kubernetes-missing",
        where=str(where),
        why=why,
        hint="run `make kubernetes` in the source of Breakbulk, or set BREAKBULK_KUBERNETES to where they are",
    )
