"""Everything that one running service is made of, put together once and handed to whatever answers requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from breakbulk.errors import BreakbulkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.packages import RecordedPublication
from breakbulk.hub.records import Recorded
from breakbulk.hub.service.admission import CheckSigned
from breakbulk.hub.service.audit import AuditLog
from breakbulk.hub.service.catalogue import Catalogue
from breakbulk.hub.service.events import Broadcast
from breakbulk.hub.service.limits import Limiter
from breakbulk.hub.service.metrics import Metrics
from breakbulk.hub.service.options import Options
from breakbulk.hub.service.policy import LayoutPolicy, Policy
from breakbulk.hub.service.reading import RememberingReader
from breakbulk.hub.service.receiving import clear
from breakbulk.hub.service.registry import Registry

__all__ = ["Service", "accept_unsigned"]

_LOG = logging.getLogger("breakbulk.hub.service")
_INDEXED_AT_ONCE = 50


def accept_unsigned(_recorded: Recorded | RecordedPublication) -> None:
    """Want no signature."""


class Service:
    """One service over one hub.

    Args:
        hub: What is served.
        options: See `Options`.
        check_signed: Raises where the hub wants a signature that a record does not have.
        now: The service's clock, the only one that counts for tokens.
        policy: Who may do what; by default the rules of a hub's layout.

    """

    def __init__(
        self,
        hub: Hub,
        options: Options,
        *,
        check_signed: CheckSigned = accept_unsigned,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        policy: Policy | None = None,
    ) -> None:
        self.hub = hub
        self.options = options
        self.now = now
        self.policy = policy or LayoutPolicy(
            hub, largest_object_bytes=options.largest_object_bytes, check_signed=check_signed
        )
        self.registry = Registry(options.state)
        self.audit = AuditLog(options.state)
        self.reader = RememberingReader(hub.objects)
        self.catalogue = Catalogue(self.reader, options.state)
        self.broadcast = Broadcast()
        self.metrics = Metrics()
        self.failures = Limiter(options.failures)
        self.uploads = options.state / "uploads"
        clear(self.uploads)
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Close files and connections."""
        for part in (self.registry, self.audit, self.catalogue, self.hub.objects):
            part.close()

    def changed(self) -> None:
        """Have the catalogue brought up to date now; to be called in the event loop."""
        self._changed.set()

    def ending(self) -> None:
        """End what would not end by itself; to be called from the event loop's thread, also in a signal handler."""
        self.broadcast.close()

    async def watch(self) -> None:
        """Keep the catalogue up to date and tell listeners, until cancelled."""
        while True:
            self._changed.clear()
            try:
                for event in await asyncio.to_thread(self.catalogue.refresh):
                    self.broadcast.publish(event)
                self.metrics.environments.set(len(self.catalogue.environments()))
                self.metrics.catalogue_seconds.set_to_current_time()
                more = await asyncio.to_thread(self.catalogue.index_packages, _INDEXED_AT_ONCE)
            except BreakbulkError as error:
                _LOG.warning("the catalogue cannot be brought up to date: %s", error)
                more = 0
            if not more:
                await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), self.options.poll_s)
        except TimeoutError:
            return
