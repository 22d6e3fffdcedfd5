"""Native clusters: all of Kubernetes as processes of this machine, several at once, nothing left after `down`.

What a cluster was asked for is written down first, then made (`bring_up`), and as everything that is made bears the
name of the cluster, all of it is found again (`taking_down`). Commands that work on one cluster wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import IPv4Network

from breakbulk.cluster import machine
from breakbulk.cluster.addresses import Addresses, allot, overlapping
from breakbulk.cluster.blueprint import Blueprint, Component
from breakbulk.cluster.bring_up import BringUp
from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.cluster.commands import check_tools
from breakbulk.cluster.drivers import unknown_cluster
from breakbulk.cluster.everything import all_components
from breakbulk.cluster.looking import look
from breakbulk.cluster.model import ClusterRequest, ClusterStatus, DriverKind, LogSource, check_name, node_names
from breakbulk.cluster.name_servers import name_servers
from breakbulk.cluster.networks import build_network, routed_networks
from breakbulk.cluster.places import SOCKET_PATH_MAX, NativePlace
from breakbulk.cluster.programs import Programs, find_programs
from breakbulk.cluster.records import (
    ClusterRecord,
    cluster_directory,
    cluster_names,
    read_record,
    recorded_driver,
    write_record,
)
from breakbulk.cluster.taking_down import anything_left, take_down
from breakbulk.errors import ClusterError, PlatformError, UsageError
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["NativeDriver", "NativeRecord"]

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")


class NativeRecord(ClusterRecord, frozen=True, kw_only=True):
    """What a native cluster was asked for, and what it was given."""

    kubernetes: str
    nodes: int
    addresses: Addresses
    imageless: bool


class NativeDriver:
    """Keeps native clusters.

    Args:
        settings: Say where clusters and the programs of Kubernetes are.

    """

    kind: DriverKind = "native"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def up(self, request: ClusterRequest, reporter: Reporter) -> ClusterStatus:
        """Bring a cluster up, or mend it.

        Raises:
            ClusterError: It cannot be what it is asked to be: `kubernetes-missing`, `cluster-differs`, `address-taken`,
                or a component fails.
            PlatformError: This machine lacks something: `not-root`, `tool-missing`, `cgroups-unavailable`.
            UsageError: `cluster-name`, `cluster-nodes`.

        """
        place = self._place(request.name)
        _check_machine()
        hierarchies = Hierarchies.of_machine()
        with machine.working_on(place.name, reporter):
            with machine.alone():
                record = self._decide(place, request)
                machine.enrol(place)
                write_record(place.directory, record)
                machine.keep_kernel()
                build_network(place, record.addresses)
            plan = self._plan(place, record, hierarchies)
            BringUp(plan, hierarchies, reporter).run()
            return look(plan, hierarchies)

    def status(self, name: str) -> ClusterStatus:
        """Look at a cluster; raise `NotFoundError`."""
        place, record = self._known(name)
        hierarchies = Hierarchies.of_machine()
        return look(self._plan(place, record, hierarchies), hierarchies)

    def names(self) -> list[str]:
        """Return the native clusters."""
        state = self._settings.state
        return [name for name in cluster_names(state) if recorded_driver(cluster_directory(state, name)) == self.kind]

    def down(self, name: str, reporter: Reporter) -> None:
        """Remove a cluster, or what is left of one; raise `NotFoundError`, `ClusterError`, `PlatformError`."""
        place = self._place(name)
        _check_machine()
        hierarchies = Hierarchies.of_machine()
        if not anything_left(place, hierarchies):
            raise unknown_cluster(name, self._settings)
        with machine.working_on(name, reporter):
            machine.enrol(place)
            take_down(place, hierarchies, reporter)

    def log(self, name: str, component: str, node: str | None = None) -> LogSource:
        """Return the file of a component's log.

        Raises:
            NotFoundError: `cluster-unknown`.
            UsageError: `component-unknown`, `component-ambiguous`.

        """
        place, record = self._known(name)
        plan = self._plan(place, record, Hierarchies.of_machine())
        components = all_components(plan)
        found = [one for one in components if one.name == component and node in {None, one.node}]
        if len(found) != 1:
            raise _no_single_log(component, node, components)
        return place.log(found[0].node, found[0].name)

    def _place(self, name: str) -> NativePlace:
        return NativePlace(check_name(name), cluster_directory(self._settings.state.resolve(), name))

    def _known(self, name: str) -> tuple[NativePlace, NativeRecord]:
        place = self._place(name)
        record = read_record(place.directory, NativeRecord)
        if record is None:
            raise unknown_cluster(name, self._settings)
        return place, record

    def _decide(self, place: NativePlace, request: ClusterRequest) -> NativeRecord:
        """Return what the cluster shall be: what it is already, and what is asked for in addition."""
        recorded = read_record(place.directory, NativeRecord)
        nodes = request.nodes or (recorded.nodes if recorded else 1)
        wanted = request.kubernetes or (recorded.kubernetes if recorded else None)
        programs = find_programs(self._settings.kubernetes, wanted)
        if recorded and (programs.version != recorded.kubernetes or nodes < recorded.nodes):
            raise _differs(place.name, recorded)
        _check_socket_paths(place, node_names(place.name, nodes))
        return NativeRecord(
            driver=self.kind,
            kubernetes=programs.version,
            nodes=nodes,
            addresses=self._addresses(place, recorded),
            imageless=_is_imageless(request, recorded),
        )

    def _addresses(self, place: NativePlace, recorded: NativeRecord | None) -> Addresses:
        """Return the networks that a cluster has, or new ones; call within `machine.alone`."""
        routed = routed_networks(but=place.bridge)
        if recorded is None:
            return allot([*routed, *self._allotted()])
        taken = overlapping(recorded.addresses.all, routed)
        if taken:
            raise _taken(place.name, taken)
        return recorded.addresses

    def _allotted(self) -> list[IPv4Network]:
        """Return the networks of all clusters, also of those that do not run at the moment."""
        state = self._settings.state
        records = [read_record(cluster_directory(state, name), NativeRecord) for name in self.names()]
        return [network for record in records if record for network in record.addresses.all]

    def _plan(self, place: NativePlace, record: NativeRecord, hierarchies: Hierarchies) -> Blueprint:
        return Blueprint(
            place=place,
            addresses=record.addresses,
            programs=Programs(record.kubernetes, self._settings.kubernetes / record.kubernetes / "bin"),
            nodes=node_names(place.name, record.nodes),
            name_servers=name_servers(),
            has_unified_groups=hierarchies.is_unified,
            restrict_oom_score=not machine.may_shield(),
            proxies=self._proxies(record),
            agent_variables=self._settings.environment if record.imageless else None,
        )

    def _proxies(self, record: NativeRecord) -> dict[str, str]:
        """Return the caller's variables of proxies, with the cluster's own networks kept from them."""
        given = {name: value for name in _PROXY_VARIABLES if (value := self._settings.environment.get(name))}
        own = ",".join(["localhost", "127.0.0.1", *map(str, record.addresses.all)])
        return {name: f"{value},{own}" if name.lower() == "no_proxy" else value for name, value in given.items()}


def _is_imageless(request: ClusterRequest, recorded: NativeRecord | None) -> bool:
    if request.imageless is not None:
        return request.imageless
    return recorded is None or recorded.imageless


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise PlatformError(
            "native clusters need root",
            identifier="not-root",
            why="they make network interfaces, control groups and mounts",
            hint="run it with `sudo`, or take `--driver kind`",
        )
    check_tools()


def _check_socket_paths(place: NativePlace, nodes: Iterable[str]) -> None:
    for name in nodes:
        longest = os.fsencode(place.node(name).longest_socket)
        if len(longest) > SOCKET_PATH_MAX:
            raise ClusterError(
                "the path of the cluster is too long",
                identifier="path-too-long",
                where=os.fsdecode(longest),
                why=f"kubelet has sockets there, and the path of a socket has at most {SOCKET_PATH_MAX} bytes",
                hint="take a shorter name, or set BREAKBULK_STORE to a shorter path",
            )


def _differs(name: str, recorded: NativeRecord) -> ClusterError:
    return ClusterError(
        f"there is a cluster {name!r} that differs from what is asked for",
        identifier="cluster-differs",
        why=f"it has Kubernetes {recorded.kubernetes} and {recorded.nodes} nodes; a cluster can only get more nodes",
        hint="take another name, or run `breakbulk cluster down` first",
    )


def _taken(name: str, networks: list[IPv4Network]) -> ClusterError:
    return ClusterError(
        f"a network of the cluster {name!r} is now used by something else",
        identifier="address-taken",
        where=", ".join(map(str, networks)),
        why="this machine has a route to it that is not the cluster's",
        hint="take that route away, or run `breakbulk cluster down` and `up`, which chooses other networks",
    )


def _no_single_log(component: str, node: str | None, components: Iterable[Component]) -> UsageError:
    nodes = [one.node for one in components if one.name == component]
    if nodes and node is None:
        return UsageError(
            f"several nodes run {component}",
            identifier="component-ambiguous",
            hint=f"name the node: {', '.join(nodes)}",
        )
    known = ", ".join(dict.fromkeys(one.name for one in components))
    return UsageError(
        f"there is no component {component!r}" + (f" on {node}" if node else ""),
        identifier="component-unknown",
        hint=f"it runs on {', '.join(nodes)}" if nodes else f"take one of {known}",
    )
