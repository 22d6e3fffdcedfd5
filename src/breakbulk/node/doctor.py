"""Every check of one node, in the order in which causes come before their effects.

A check never raises, and none changes anything: what cannot be looked at is `unknown`. Counterparts: `checks`, whose
value this is made of; `cli.commands.node`, which shows it; the cluster's own checks are `kubernetes`'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from breakbulk.checks import Check
from breakbulk.node.examining_containerd import containerd_checks
from breakbulk.node.examining_machine import Machine, machine_checks
from breakbulk.node.examining_store import hub_check, store_checks
from breakbulk.node.place import NodePlace
from breakbulk.settings import Settings

__all__ = ["checks"]


def checks(
    place: NodePlace, settings: Settings | None = None, *, kubelet_settings: Path | None = None
) -> Iterator[Check]:
    """Yield the checks of a node as they are made.

    Args:
        place: Of the node.
        settings: Name the hub; without them it is not looked for.
        kubelet_settings: Kubelet's configuration file, where it is known (`distributions.kubelet_settings`).

    """
    yield from machine_checks(Machine.read())
    yield from containerd_checks(place, kubelet_settings)
    yield from store_checks(place)
    if settings is not None:
        yield hub_check(settings)
