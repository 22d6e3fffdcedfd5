"""Every check of a machine and of the node that it is, in the order in which causes come before their effects.

A check never raises, and none changes anything: what cannot be looked at is `unknown`. Counterparts: `checks`, whose
value this is made of; `cli.commands.node` and `cli.commands.doctor`, which show it; the cluster's own checks are
`kubernetes`'.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from breakbulk.checks import Check
from breakbulk.node.examining.containerd import containerd_checks
from breakbulk.node.examining.machine import Machine, machine_checks, privileges_check
from breakbulk.node.examining.store import agent_checks, hub_check, store_checks
from breakbulk.node.examining.verdicts import passed
from breakbulk.node.installing.runtimes import Merged
from breakbulk.node.place import NodePlace
from breakbulk.settings import Settings

__all__ = ["checks", "is_node", "machine", "no_node", "node"]


def checks(
    place: NodePlace, settings: Settings | None = None, *, kubelet_settings: Path | None = None
) -> Iterator[Check]:
    """Yield the checks of a machine that is a node, as they are made.

    Args:
        place: Of the node.
        settings: Name the hub; without them it is not looked for.
        kubelet_settings: Kubelet's configuration file, where it is known (`distributions.kubelet_settings`).

    """
    yield from machine(place, settings)
    yield from node(place, kubelet_settings)


def machine(place: NodePlace, settings: Settings | None, *, is_node: bool = True) -> Iterator[Check]:
    """Yield the checks of what any machine needs that runs environments: kernel, clock, store, hub."""
    yield from machine_checks(Machine.read())
    yield from store_checks(place.store, is_made=is_node)
    if settings is not None:
        yield hub_check(settings)


def node(place: NodePlace, kubelet_settings: Path | None) -> Iterator[Check]:
    """Yield the checks of what makes a machine a node that runs pods without images."""
    yield privileges_check(Machine.read())
    yield from containerd_checks(place, kubelet_settings)
    yield from agent_checks(place)


def is_node(place: NodePlace) -> bool:
    """Say whether a machine is a node: we are installed, or its containerd is there for Kubernetes, and not for Docker.

    Whoever may not look is told that it is none.
    """
    try:
        if place.runtime.exists():
            return True
        if place.containerd_config.exists():
            return not _is_dockers(place.containerd_config)
        return place.containerd_socket.exists()
    except PermissionError:
        return False


def no_node() -> Check:
    """Return what there is to say instead of the checks of a node."""
    return passed("node", "this machine is no node of a cluster (`breakbulk node install` makes it one)")


def _is_dockers(configuration: Path) -> bool:
    """Say whether what Kubernetes needs of containerd is switched off, as Docker's packages have it."""
    try:
        return Merged(tomllib.loads(configuration.read_text(encoding="utf-8"))).disabled
    except (OSError, ValueError):
        return False
