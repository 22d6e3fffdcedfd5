"""Have an environment on this node before any pod names it, agent or not; `breakbulk node prewarm` does it.

It is there as long as the history of its environment keeps it. Whoever realises the same at this moment is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakbulk.node.realising.environments import realised
from breakbulk.node.realising.merging import merge
from breakbulk.node.realising.orders import Realise, packed
from breakbulk.node.realising.pinning import Target
from breakbulk.node.realising.recording import prepare_places
from breakbulk.reporting import SILENT, Reporter
from breakbulk.store.layout import Layout

if TYPE_CHECKING:
    from breakbulk.node.place import NodePlace
    from breakbulk.node.records import MountPlan
    from breakbulk.settings import Settings
    from breakbulk.store.realise import Realised

__all__ = ["prewarm"]


def prewarm(
    reference: str, place: NodePlace, settings: Settings, reporter: Reporter = SILENT
) -> tuple[MountPlan, Realised]:
    """Make what `reference` means now present, and write its plan, with few layers.

    Raises:
        UsageError: `reference-invalid`.
        StoreError: Its plan cannot be written.
        BreakbulkError: What resolving and realising raise.

    """
    prepare_places(str(place.run), str(place.state))
    order = Realise(reference=reference, state=str(place.state), settings=packed(settings), pinned=False)
    plan, made = realised(order, reporter)
    merge(Layout(settings.store), order.state, [Target(plan.environment, plan.digest)])
    return plan, made
