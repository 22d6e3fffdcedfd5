"""Look at the disk now and then, and have room made when it is short. Counterpart: `collecting`, which makes it.

While room is made no realisation begins, as a collection waits until none runs; for those that run already it waits no
longer than two minutes, and tries again later.
"""

from __future__ import annotations

import asyncio
import logging

from breakbulk.errors import BreakbulkError
from breakbulk.node.agent.agent import Agent
from breakbulk.node.agent.children import run_child
from breakbulk.node.agent.metrics import Metrics
from breakbulk.node.agent.settings import AgentSettings
from breakbulk.node.agent.wording import amount
from breakbulk.node.realising.orders import Collect, packed
from breakbulk.node.realising.pressure import Disk, look

__all__ = ["Tidier"]

_LOG = logging.getLogger(__name__)
_COLLECTING = "breakbulk.node.realising.collecting"
_LOOK_EVERY_S = 30.0
_REST_S = 60.0
_WAIT_S = 120.0
_DAY_S = 86_400.0


class Tidier:
    """Keeps room on the disk of one node. `run` it beside the agent.

    Args:
        options: Limits.
        agent: Is asked to begin nothing meanwhile, and tells when the disk was full.
        metrics: Are told.

    Attributes:
        fault: Why there is too little room, and none can be made; None while there is enough.

    """

    def __init__(self, options: AgentSettings, agent: Agent, metrics: Metrics) -> None:
        self.fault: str | None = None
        self._options = options
        self._agent = agent
        self._metrics = metrics

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            if await self._short():
                await asyncio.sleep(_REST_S)
            try:
                await asyncio.wait_for(self._agent.disk_full.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def _short(self) -> bool:
        """Make room where there is too little; tell whether there was."""
        disk, full = self._look(), self._agent.disk_full.is_set()
        self._agent.disk_full.clear()
        if disk is None:
            return False
        high, low = self._options.disk_high_percent, self._options.disk_low_percent
        excess = disk.excess_bytes(high_percent=0.0 if full else high, low_percent=low)
        if not excess and not full:
            self.fault = None
            return False
        await self._make_room(max(excess, disk.total_bytes // 20 if full else 1))
        after = self._look()
        short = after is not None and after.used_percent >= high
        self.fault = f"{amount(after.free_bytes)} are free, and everything is needed" if after and short else None
        return True

    def _look(self) -> Disk | None:
        try:
            disk = look(self._options.settings.store)
        except OSError as error:
            _LOG.warning("the disk of the store cannot be looked at: %s", error)
            return None
        self._metrics.store_free_bytes.set(disk.free_bytes)
        self._metrics.store_total_bytes.set(disk.total_bytes)
        return disk

    async def _make_room(self, free_bytes: int) -> None:
        order = Collect(
            state=str(self._options.place.state),
            settings=packed(self._options.settings),
            free_bytes=free_bytes,
            history=self._options.history,
            recent_s=self._options.recent_days * _DAY_S,
        )
        self._agent.hold()
        try:
            async with asyncio.timeout(_WAIT_S):
                result = await run_child(_COLLECTING, order)
        except (BreakbulkError, TimeoutError) as error:
            self._metrics.collections.labels("failed").inc()
            _LOG.warning("no room was made: %s", str(error) or "realisations that run take too long")
            return
        finally:
            self._agent.release()
        self._metrics.collections.labels("refused" if result["faults"] else "done").inc()
        self._metrics.collected_bytes.inc(result["size_bytes"])
        for fault in result["faults"]:
            _LOG.warning("nothing is removed: %s", fault)
        _LOG.info("%d packages removed, %s", result["removed"], amount(result["size_bytes"]))
