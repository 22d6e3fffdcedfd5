"""`python -m breakbulk.node.realising.collecting`: remove from the store of a node what its pods do not need.

What pods name is pinned (`pinning`), what runs is mounted, and both stay whatever happens; of each environment the
digests used last stay, and those used of late, unless that frees too little: then only the last of each. Plans of what
goes are removed before it goes. A process of its own, as it reads every lock there is. Counterpart: `store.collection`,
which does it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from breakbulk.node.realising.orders import Collect, answering, unpacked
from breakbulk.node.realising.pinning import Target, is_pinned, present, root_of
from breakbulk.node.realising.pressure import history_needed
from breakbulk.node.records import plan_path
from breakbulk.store.collection import Collected, collect
from breakbulk.store.faults import store_fault
from breakbulk.store.layout import Layout
from breakbulk.store.milestones import passed

__all__ = ["collected"]


def collected(order: Collect) -> dict[str, Any]:
    """Do what an order says; return what was removed and why nothing was. Raises `StoreError`."""
    layout = Layout(unpacked(order.settings).store)
    try:
        history = history_needed(_used(layout), since_s=time.time() - order.recent_s, least=order.history)
        first = _collect(layout, order.state, history, order.free_bytes)
        left = order.free_bytes - first.size
        passes = [first] if left <= 0 or first.faults else [first, _collect(layout, order.state, 1, left)]
    except OSError as error:
        raise store_fault(error, layout.root, variable="BREAKBULK_STORE") from error
    return {
        "removed": sum(len(each.removed) for each in passes),
        "size_bytes": sum(each.size for each in passes),
        "faults": list(passes[-1].faults),
    }


def _collect(layout: Layout, state: str, history: int, free_bytes: int) -> Collected:
    planned = collect(layout, history=history, free_bytes=free_bytes, dry_run=True)
    if not planned.faults:
        _forget(layout, state, [target for name in planned.roots_dropped if (target := _target(name))])
        passed("plans-removed")
    done = collect(layout, history=history, free_bytes=free_bytes)
    _forget(layout, state, [target for target in present(state) if not root_of(layout, target).exists()])
    return done


def _forget(layout: Layout, state: str, targets: Iterable[Target]) -> None:
    """Remove the plans of what no pod names."""
    for target in targets:
        if not is_pinned(layout, target):
            Path(plan_path(state, target.environment, target.digest)).unlink(missing_ok=True)


def _target(name: str) -> Target | None:
    """Return what the root of an environment is of, None for those of projects."""
    environment, separator, digest = name.partition("@sha256:")
    return Target(environment, digest) if separator and not environment.startswith("/") else None


def _used(layout: Layout) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for path in (layout.roots / "environments").glob("*/*"):
        found[path.parent.name].append(path.stat().st_mtime)
    return found


if __name__ == "__main__":
    answering(Collect, collected)
