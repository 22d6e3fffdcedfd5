"""Have environments that pods use mounted in fewer layers, when nothing else is to be done. Counterpart: `realising`.

Not before a pod starts, as it takes a part of a second; and not while pods start, unless that goes on for minutes.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from breakbulk.errors import BreakbulkError
from breakbulk.node.agent.agent import Agent
from breakbulk.node.agent.children import run_child
from breakbulk.node.agent.settings import AgentSettings
from breakbulk.node.realising.orders import Merge, packed
from breakbulk.node.realising.pinning import Target
from breakbulk.node.records import MountPlan, plan_path
from breakbulk.store.bundle import is_merged

__all__ = ["Merger"]

_LOG = logging.getLogger(__name__)
_MERGING = "breakbulk.node.realising.merging"
_LOOK_EVERY_S = 2.0
_QUIET_S = 4.0
_LATEST_S = 120.0


class Merger:
    """Merges layers of one node. `run` it beside the agent.

    Args:
        options: Places.
        agent: Tells what pods use, and whether it is busy.

    """

    def __init__(self, options: AgentSettings, agent: Agent) -> None:
        self._options = options
        self._agent = agent
        self._state = str(options.place.state)
        self._looked_at: dict[Target, int] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        waited_s = 0.0
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            wanted = await asyncio.to_thread(self._wanted, sorted(self._agent.targets))
            waited_s = waited_s + _LOOK_EVERY_S if wanted else 0.0
            if wanted and (self._agent.quiet_s > _QUIET_S or waited_s > _LATEST_S):
                await self._merge(wanted)

    def _wanted(self, targets: Iterable[Target]) -> dict[Target, int]:
        """Return what has a plan of many layers that is new since it was tried, and the time of the plan."""
        wanted: dict[Target, int] = {}
        looked_at: dict[Target, int] = {}
        for target in targets:
            try:
                written_ns = os.stat(plan_path(self._state, target.environment, target.digest)).st_mtime_ns
            except (OSError, ValueError):  # it is not here yet, or no name at all: a pod may name anything
                continue
            if self._looked_at.get(target) != written_ns and self._has_many(target):
                wanted[target] = written_ns
            else:
                looked_at[target] = written_ns
        self._looked_at = looked_at
        return wanted

    def _has_many(self, target: Target) -> bool:
        plan = MountPlan.read(self._state, target.environment, target.digest)
        return plan is not None and not is_merged([Path(lower) for lower in plan.lowers])

    async def _merge(self, wanted: dict[Target, int]) -> None:
        order = Merge(
            state=self._state,
            settings=packed(self._options.settings),
            targets=[(target.environment, target.digest) for target in wanted],
        )
        try:
            await run_child(_MERGING, order)
        except (BreakbulkError, OSError) as error:
            _LOG.warning("layers stay as they are: %s", error)
        self._looked_at |= wanted  # once is enough: a plan that has changed is looked at again
