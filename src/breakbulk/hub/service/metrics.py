"""What Prometheus is told: one registry per service, so that two in one process do not meet."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

__all__ = ["MEDIA_TYPE", "Metrics"]

MEDIA_TYPE = CONTENT_TYPE_PLAIN_1_0_0
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one service; docs/service.md says what each is good for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "breakbulk_hub_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "breakbulk_hub_request_seconds",
            "Time to the end of the answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.received_bytes = Counter(
            "breakbulk_hub_received_bytes", "Bytes of objects accepted", registry=self.registry
        )
        self.sent_bytes = Counter("breakbulk_hub_sent_bytes", "Bytes of answers", registry=self.registry)
        self.changes = Counter(
            "breakbulk_hub_changes", "Changes of environments recorded here", ("kind",), registry=self.registry
        )
        self.refusals = Counter(
            "breakbulk_hub_refusals", "Requests refused, by identifier of the error", ("error",), registry=self.registry
        )
        self.environments = Gauge("breakbulk_hub_environments", "Environments on the hub", registry=self.registry)
        self.listeners = Gauge("breakbulk_hub_listeners", "Open streams of events", registry=self.registry)
        self.catalogue_seconds = Gauge(
            "breakbulk_hub_catalogue_timestamp_seconds",
            "When the catalogue was last brought up to date (Unix time)",
            registry=self.registry,
        )

    def text(self) -> bytes:
        """Return the metrics in the format of `MEDIA_TYPE`."""
        return generate_latest(self.registry)
