"""`/health/live`, `/health/ready` and `/metrics`: what a supervisor and Prometheus ask."""

from __future__ import annotations

from litestar import Controller, Response, get
from litestar.exceptions import ServiceUnavailableException

from breakbulk.errors import BreakbulkError
from breakbulk.hub.layout import HUB
from breakbulk.hub.service.documenting import SECURITY, refusals
from breakbulk.hub.service.injected import TheCaller, TheService
from breakbulk.hub.service.metrics import MEDIA_TYPE

__all__ = ["HealthController"]


class HealthController(Controller):
    """How the service is."""

    tags = ("health",)

    @get("/health/live", sync_to_thread=False)
    def live(self) -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "live"}

    @get("/health/ready", sync_to_thread=True, responses=refusals(503))
    def ready(self, service: TheService) -> dict[str, str]:
        """Say that the place of the objects answers, and that there is a catalogue."""
        try:
            service.hub.objects.stat(HUB)
        except BreakbulkError as error:
            raise ServiceUnavailableException("the place of the objects does not answer") from error
        if service.catalogue.summaries is None:
            raise ServiceUnavailableException("the catalogue is being read")
        return {"status": "ready"}

    @get("/metrics", media_type=MEDIA_TYPE, security=SECURITY, sync_to_thread=True, responses=refusals(401, 403))
    def metrics(self, service: TheService, caller: TheCaller) -> Response[bytes]:
        """Return metrics for Prometheus."""
        if not service.options.public_metrics:
            caller.check("read")
        service.metrics.listeners.set(len(service.broadcast))
        return Response(service.metrics.text(), media_type=MEDIA_TYPE)
