"""What a cluster could leave on a machine: processes, mounts, interfaces, control groups, routes, rules, files."""

import json
import os
import subprocess
from pathlib import Path

from breakbulk.cluster.processes import started_at

SETTINGS = (
    "net/ipv4/ip_forward",
    "fs/inotify/max_user_instances",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "vm/overcommit_memory",
)


def snapshot(cluster: str) -> dict[str, list[str]]:
    """Return everything of which a cluster makes more; equal snapshots mean that nothing is left of it.

    What belongs to other clusters and to other work on the machine may change at the same time, so that only what bears
    the name of this one is looked at, where it bears a name.
    """
    return {
        "processes": _processes(cluster),
        "mounts": [line for line in _lines(Path("/proc/self/mountinfo")) if cluster in line],
        "namespaces": _namespaces(cluster),
        "interfaces": sorted(name for name in os.listdir("/sys/class/net") if cluster in name),
        "control groups": sorted(str(path) for path in Path("/sys/fs/cgroup").glob(f"*/breakbulk-{cluster}/**/")),
        "routes": sorted(line for line in _output("ip", "-4", "route", "show", "table", "all") if cluster in line),
        "rules": sorted(line for line in _output("iptables-save") if cluster in line),
        "networks": sorted(str(path) for path in Path("/var/lib/cni/results").glob("*") if _mentions(path, cluster)),
        "logs": [str(path) for path in Path("/var/log/containers").glob("*") if f"/{cluster}/" in str(path.readlink())],
        "runtime": sorted(str(path) for path in Path("/run/breakbulk/clusters").glob(f"*{cluster}*")),
    }


def shim_sockets(cluster: str) -> list[Path]:
    """Return the sockets of a running cluster's shims, which lie among those of all others."""
    tasks = Path("/run/breakbulk/clusters", cluster).glob(
        "*/containerd/io.containerd.runtime.v2.task/*/*/bootstrap.json"
    )
    return [Path(json.loads(file.read_text())["address"].removeprefix("unix://")) for file in tasks]


def kernel_settings() -> dict[str, str]:
    return {name: Path("/proc/sys", name).read_text().strip() for name in SETTINGS}


def _processes(cluster: str) -> list[str]:
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        groups = "\n".join(_lines(Path("/proc", process, "cgroup")))
        if f"/breakbulk-{cluster}/" in groups and started_at(int(process)) is not None:  # else it waits to be reaped
            found.append(process)
    return found


def _namespaces(cluster: str) -> list[str]:
    """Return the network namespaces of processes that are in the cluster's groups."""
    found = set()
    for process in _processes(cluster):
        try:
            found.add(str(Path(f"/proc/{process}/ns/net").readlink()))
        except OSError:
            continue
    return sorted(found)


def _mentions(path: Path, cluster: str) -> bool:
    return any(f"/{cluster}/" in line for line in _lines(path))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _output(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
