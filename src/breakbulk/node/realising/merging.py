"""`python -m breakbulk.node.realising.merging`: mount environments of this node in fewer layers from now on.

Neighbouring trees become bundles (`store.bundle`), and the plan names those instead: what a container sees stays the
same, and everybody who starts one, or lists mounts, has a tenth of the layers to go through. A process of its own, for
when nothing else is to be done; it may be killed at any moment, as plans are replaced whole and after what they name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from breakbulk.node.realising.orders import Merge, answering, unpacked
from breakbulk.node.realising.pinning import Target
from breakbulk.node.records import MountPlan
from breakbulk.store.bundle import merged
from breakbulk.store.faults import store_fault
from breakbulk.store.layout import Layout
from breakbulk.store.milestones import passed
from breakbulk.store.using import using

__all__ = ["merge"]

_NICENESS = 19


def merge(layout: Layout, state: str, targets: Iterable[Target]) -> int:
    """Give those plans few layers that are there; return how many have changed. Raises `StoreError`."""
    try:
        return sum(_merge(layout, state, target) for target in targets)
    except OSError as error:
        raise store_fault(error, layout.root, variable="BREAKBULK_STORE") from error


def _merge(layout: Layout, state: str, target: Target) -> bool:
    with using(layout):
        plan = MountPlan.read(state, target.environment, target.digest)
        if plan is None or not all(os.path.isdir(lower) for lower in plan.lowers):
            return False
        lowers = [str(lower) for lower in merged(layout, [Path(lower) for lower in plan.lowers])]
        passed("layers-merged")
        if lowers == plan.lowers:
            return False
        plan.lowers = lowers
        plan.write(state)
        passed("plan-merged")
        return True


def _work(order: Merge) -> dict[str, Any]:
    os.nice(_NICENESS)
    targets = [Target(environment, digest) for environment, digest in order.targets]
    return {"merged": merge(Layout(unpacked(order.settings).store), order.state, targets)}


if __name__ == "__main__":
    answering(Merge, _work)
