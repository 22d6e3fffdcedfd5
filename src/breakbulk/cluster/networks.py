"""The network of a native cluster: a bridge, a namespace and a cable for every node, routes, and a way out.

    this machine ── bridge bb-NAME (10.89.0.1) ─┬─ b1-NAME ── eth0 of the first node (10.89.0.2) ── its pods
                                                └─ b2-NAME ── eth0 of the second  (10.89.0.3) ── its pods

Pods of all nodes and this machine reach each other by routes, with the addresses that they have; only what leaves the
cluster gets this machine's address. The rules for that are in chains of the packet filter that are the cluster's own.
Everything here can be done twice, and is found again by its name. Counterpart: `machine` keeps what belongs to no
cluster alone.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

from breakbulk.cluster.addresses import Addresses
from breakbulk.cluster.commands import Failure, failed, run, try_run
from breakbulk.cluster.machine import make_passable
from breakbulk.cluster.mounts import mounts_below
from breakbulk.cluster.places import NativePlace
from breakbulk.errors import ClusterError, PlatformError
from breakbulk.store import linux

__all__ = ["attach_node", "build_network", "has_rules", "remove_network", "route_between", "routed_networks"]

_INTERFACE = "eth0"
_PREFIX = 24
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def routed_networks(*, but: str = "") -> list[IPv4Network]:
    """Return the networks that this machine has routes to, other than those through the interface `but`."""
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    destinations = [route["dst"] for route in routes if route.get("dev") != but]
    return [IPv4Network(destination) for destination in destinations if destination not in {"default", "0.0.0.0/0"}]


def build_network(place: NativePlace, addresses: Addresses) -> None:
    """Make the bridge and the rules; raise `ClusterError`, `PlatformError` (`bridge-filter-missing`)."""
    _need_bridge_filter()
    if not _exists(place.bridge):
        run("ip", "link", "add", place.bridge, "type", "bridge")
    run("ip", "address", "replace", f"{addresses.gateway}/{_PREFIX}", "dev", place.bridge)
    run("ip", "link", "set", place.bridge, "up")
    _write_rules(place, addresses)


def attach_node(place: NativePlace, addresses: Addresses, number: int, name: str) -> None:
    """Make the network namespace of a node and its cable; raise `ClusterError`, `OSError`."""
    namespace = place.node(name).network_namespace
    if not mounts_below(namespace):
        _make_namespace(namespace)
    if not _exists(place.cable(number)):
        _lay_cable(place.cable(number), namespace)
    run("ip", "link", "set", place.cable(number), "master", place.bridge, "up")
    _configure_node(namespace, addresses, number)
    run(
        "ip",
        "route",
        "replace",
        str(addresses.pods_of(number)),
        "via",
        str(addresses.node(number)),
        "dev",
        place.bridge,
    )


def route_between(place: NativePlace, addresses: Addresses, nodes: tuple[str, ...]) -> None:
    """Give every node routes to the pods of all others; raise `ClusterError`."""
    for number, name in enumerate(nodes, 1):
        others = [other for other in range(1, len(nodes) + 1) if other != number]
        lines = [f"route replace {addresses.pods_of(other)} via {addresses.node(other)}" for other in others]
        _inside(place.node(name).network_namespace, "ip", "-batch", "-", stdin="\n".join(lines))


def remove_network(place: NativePlace, numbers: Iterable[int], namespaces: Iterable[Path]) -> None:
    """Remove what the other functions made, whatever there is of it; no process may be in a namespace any more."""
    for namespace in namespaces:
        _remove_namespace(namespace)
    for interface in [*map(place.cable, numbers), place.bridge]:
        _remove_interface(interface)
    _remove_rules(place.chain)


def _make_namespace(path: Path) -> None:
    make_passable(path.parent)
    path.touch(mode=0o600)
    run("unshare", f"--net={path}", "true")


def _remove_namespace(path: Path) -> None:
    with contextlib.suppress(OSError):  # it is no mount
        linux.unmount(path, linux.MNT_DETACH)
    path.unlink(missing_ok=True)


def _lay_cable(outer: str, namespace: Path) -> None:
    """Make two ends of a cable, one of them inside of the namespace at once, as its name is short and common."""
    with namespace.open() as file:
        holder = f"/proc/{os.getpid()}/fd/{file.fileno()}"
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", _INTERFACE, "netns", holder)


def _configure_node(namespace: Path, addresses: Addresses, number: int) -> None:
    lines = [
        "link set lo up",
        f"address replace {addresses.node(number)}/{_PREFIX} dev {_INTERFACE}",
        f"link set {_INTERFACE} up",
        f"route replace default via {addresses.gateway}",
    ]
    _inside(namespace, "ip", "-batch", "-", stdin="\n".join(lines))
    _inside(namespace, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")


def _inside(namespace: Path, *arguments: str, stdin: str | None = None) -> None:
    run("nsenter", f"--net={namespace}", *arguments, stdin=stdin)


def _exists(interface: str) -> bool:
    return Path("/sys/class/net", interface).exists()


def _need_bridge_filter() -> None:
    """Have the kernel's module that shows the packet filter what a bridge passes on, which services rely on."""
    if _BRIDGE_FILTER.exists():
        return
    with contextlib.suppress(Failure, OSError):
        try_run("modprobe", "br_netfilter")
    if not _BRIDGE_FILTER.exists():
        raise PlatformError(
            "the kernel does not filter what bridges pass on",
            identifier="bridge-filter-missing",
            where=str(_BRIDGE_FILTER),
            why="without it, services do not answer pods of the same node",
            hint="modprobe br_netfilter",
        )


def _write_rules(place: NativePlace, addresses: Addresses) -> None:
    """Let the cluster's packets pass, and give those that leave it this machine's address."""
    mine = ("!", "-o", place.bridge, "-m", "comment", "--comment", f"breakbulk cluster {place.name}")
    translated = [(*("-s", str(network)), *mine, "-j", "MASQUERADE") for network in (addresses.nodes, addresses.pods)]
    _write_chain("nat", "POSTROUTING", place.chain, translated)
    answers = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    passed = [("-i", place.bridge, "-j", "ACCEPT"), ("-o", place.bridge, *answers, "-j", "ACCEPT")]
    _write_chain("filter", "FORWARD", place.chain, passed)


def _write_chain(table: str, hook: str, chain: str, rules: Iterable[tuple[str, ...]]) -> None:
    """Make a chain with exactly these rules, and have one rule of `hook` lead to it."""
    if not _succeeds(table, "-S", chain):
        _iptables(table, "-N", chain)
    _iptables(table, "-F", chain)
    for rule in rules:
        _iptables(table, "-A", chain, *rule)
    if not _succeeds(table, "-C", hook, "-j", chain):
        _iptables(table, "-I", hook, "-j", chain)


def _remove_rules(chain: str) -> None:
    for table, hook in (("nat", "POSTROUTING"), ("filter", "FORWARD")):
        while _succeeds(table, "-C", hook, "-j", chain):
            _iptables(table, "-D", hook, "-j", chain)
        if _succeeds(table, "-S", chain):
            _iptables(table, "-F", chain)
            _iptables(table, "-X", chain)


def has_rules(chain: str) -> bool:
    """Say whether the packet filter has a chain."""
    return any(_succeeds(table, "-S", chain) for table in ("nat", "filter"))


def _succeeds(table: str, *arguments: str) -> bool:
    try:
        try_run("iptables", "-w", "30", "-t", table, *arguments)
    except Failure:
        return False
    return True


def _iptables(table: str, *arguments: str) -> None:
    try:
        try_run("iptables", "-w", "30", "-t", table, *arguments)
    except Failure as failure:
        raise _refused(failure) from failure


def _refused(failure: Failure) -> ClusterError:
    if "Permission denied" not in failure.output and "not supported" not in failure.output.lower():
        return failed(failure)
    return ClusterError(
        "the packet filter of this machine refuses the rules of a cluster",
        identifier="packet-filter-refused",
        where=" ".join(failure.arguments),
        why=failure.output[-300:],
        hint="modprobe ip_tables iptable_nat, or run as root of the machine",
    )


def _remove_interface(interface: str) -> None:
    """Remove an interface that its other end may take with it at any moment."""
    try:
        if _exists(interface):
            try_run("ip", "link", "delete", interface)
    except Failure as failure:
        if _exists(interface):
            raise failed(failure) from failure
