"""Which networks a native cluster has: of its nodes, its pods and its services. Pure.

    10.89.0.0/24      nodes: .1 is this machine's bridge, .2 the first node
    10.128.0.0/16     pods: 10.128.1.0/24 those of the first node
    10.96.0.0/16      services: .1 is the API server, as seen by pods

Each is the first candidate that overlaps nothing which this machine has a route to, so that clusters stay out of each
other's way and of a company's networks. What is allotted is kept with the cluster and never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import chain

import msgspec

from breakbulk.errors import ClusterError

__all__ = ["Addresses", "allot", "overlapping"]


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The networks of one cluster; node numbers count from 1."""

    nodes: IPv4Network
    pods: IPv4Network
    services: IPv4Network

    @property
    def gateway(self) -> IPv4Address:
        """The bridge on this machine, as the nodes see it."""
        return self.nodes[1]

    @property
    def api_service(self) -> IPv4Address:
        """The API server, as pods see it."""
        return self.services[1]

    @property
    def all(self) -> tuple[IPv4Network, IPv4Network, IPv4Network]:
        """All networks."""
        return self.nodes, self.pods, self.services

    def node(self, number: int) -> IPv4Address:
        """Return the address of a node."""
        return self.nodes[number + 1]

    def pods_of(self, number: int) -> IPv4Network:
        """Return the network of the pods of a node, 254 addresses."""
        return IPv4Network((int(self.pods.network_address) + (number << 8), 24))


def allot(used: Iterable[IPv4Network]) -> Addresses:
    """Return networks that overlap none of `used`, nor each other.

    Raises:
        ClusterError: `address-taken`: every candidate is in use.

    """
    taken = list(used)
    chosen = []
    for what, candidates in (("nodes", _of_nodes()), ("pods", _of_pods()), ("services", _of_services())):
        network = next((one for one in candidates if not overlapping([one], taken)), None)
        if network is None:
            raise _nothing_left(what)
        chosen.append(network)
        taken.append(network)
    return Addresses(nodes=chosen[0], pods=chosen[1], services=chosen[2])


def overlapping(networks: Iterable[IPv4Network], others: Iterable[IPv4Network]) -> list[IPv4Network]:
    """Return those of `others` that overlap any of `networks`."""
    mine = list(networks)
    return [other for other in others if any(other.overlaps(one) for one in mine)]


def _of_nodes() -> Iterator[IPv4Network]:
    return (IPv4Network(f"{start}.{third}.0/24") for start in ("10.89", "172.30", "198.18") for third in range(256))


def _of_pods() -> Iterator[IPv4Network]:
    return chain(_wide("10", range(128, 192)), _wide("172", range(16, 30)), _wide("100", range(64, 96)))


def _of_services() -> Iterator[IPv4Network]:
    return chain(_wide("10", range(96, 128)), _wide("172", range(31, 32)), _wide("100", range(96, 128)))


def _wide(first: str, seconds: range) -> Iterator[IPv4Network]:
    return (IPv4Network(f"{first}.{second}.0.0/16") for second in seconds)


def _nothing_left(what: str) -> ClusterError:
    return ClusterError(
        f"no network is left for the {what} of a cluster",
        identifier="address-taken",
        why="every one of them overlaps a route of this machine, or another cluster",
        hint="take down a cluster, or a route that is too wide: `ip -4 route show table all`",
    )
