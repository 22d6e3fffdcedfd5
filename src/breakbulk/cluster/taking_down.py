"""Removes a native cluster: processes, mounts, network, control groups, files; in this order, whatever there is of it.

Everything is found by the name of the cluster, so it does not matter how far `up`, or an earlier `down`, came. Programs
are killed rather than asked: they and what they keep go together. Counterpart: `bring_up`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.cluster.deletion import delete_tree
from breakbulk.cluster.machine import alone, strike_off
from breakbulk.cluster.model import NODES_MAX, node_names
from breakbulk.cluster.mounts import unmount_below
from breakbulk.cluster.networks import has_rules, remove_network
from breakbulk.cluster.places import NativePlace
from breakbulk.reporting import Reporter

__all__ = ["anything_left", "take_down"]

_CNI_RESULTS = Path("/var/lib/cni/results")
"""Where CNI keeps what it gave to whom, for the whole machine (libcni's `CacheDir`)."""

_LOGS_OF_CONTAINERS = Path("/var/log/containers")
"""Where kubelet has a link to every log, whatever its configuration says."""

_STEPS = 4


def anything_left(place: NativePlace, hierarchies: Hierarchies) -> bool:
    """Say whether there is anything of a cluster on this machine."""
    return (
        place.directory.exists()
        or place.runtime.exists()
        or hierarchies.exists(place.control_group)
        or has_rules(place.chain)
    )


def take_down(place: NativePlace, hierarchies: Hierarchies, reporter: Reporter) -> None:
    """Remove everything that is the cluster's.

    Raises:
        ClusterError: `process-stays`, `command-failed`; what is left can be removed by another call.
        OSError: The kernel or the file system refuses.

    """
    task = reporter.begin(f"ending {place.name}", total=_STEPS)
    try:
        hierarchies.kill(place.control_group)
        task.advance()
        sockets = list(_shim_sockets(place.runtime))
        for directory in (place.directory, place.runtime):
            unmount_below(directory)
        task.advance()
        numbers = range(1, NODES_MAX + 1)
        remove_network(
            place, numbers, [place.node(name).network_namespace for name in node_names(place.name, NODES_MAX)]
        )
        task.advance()
        hierarchies.remove(place.control_group)
        task.advance()
    finally:
        task.finish()
    _remove_files(place, sockets, reporter)


def _remove_files(place: NativePlace, sockets: Iterable[Path], reporter: Reporter) -> None:
    for path in [*sockets, *_network_results(place), *_links_to_logs(place)]:
        path.unlink(missing_ok=True)
    delete_tree(place.directory, reporter)
    with contextlib.suppress(OSError):  # there are others
        place.directory.parent.rmdir()
    with alone():
        strike_off(place)


def _network_results(place: NativePlace) -> Iterator[Path]:
    """Yield what CNI has noted of the pods of a cluster: each note names the network namespace, which is below ours."""
    below = f"{place.runtime}/".encode()
    for path in _CNI_RESULTS.glob("*"):
        with contextlib.suppress(OSError):
            if below in path.read_bytes():
                yield path


def _links_to_logs(place: NativePlace) -> Iterator[Path]:
    for path in _LOGS_OF_CONTAINERS.glob("*.log"):
        with contextlib.suppress(OSError):
            if path.readlink().is_relative_to(place.directory):
                yield path


def _shim_sockets(runtime: Path) -> Iterator[Path]:
    """Yield the sockets of containerd's shims, which are all in one directory of the machine."""
    for file in runtime.glob("*/containerd/io.containerd.runtime.v2.task/*/*/bootstrap.json"):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            address = msgspec.json.decode(file.read_bytes(), type=dict[str, object]).get("address")
            if isinstance(address, str) and address.startswith("unix://"):
                yield Path(address.removeprefix("unix://"))
