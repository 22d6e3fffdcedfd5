"""What Prometheus is told of one node; `docs/agent.md` says what each is good for. Counterpart: `metrics_page`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The metrics of one agent, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        prefix = "breakbulk_node_"
        self.realisations = Counter(f"{prefix}realisations", "Ended, by outcome", ("outcome",), registry=registry)
        self.realisation_seconds = Histogram(
            f"{prefix}realisation_seconds", "Of those that succeeded", buckets=_SECONDS, registry=registry
        )
        self.fetched_bytes = Counter(f"{prefix}fetched_bytes", "Bytes downloaded for environments", registry=registry)
        self.resolutions = Counter(f"{prefix}resolutions", "References looked up, by outcome", ("outcome",),
                                   registry=registry)  # fmt: skip
        self.questions = Counter(f"{prefix}questions", "Of the runtime handler, by answer", ("answer",),
                                 registry=registry)  # fmt: skip
        self.failures = Counter(f"{prefix}failures", "Failed tries, by identifier of the error", ("error",),
                                registry=registry)  # fmt: skip
        self.ready_seconds = Histogram(
            f"{prefix}pod_ready_seconds", "From a pod's arrival until its environments are there", buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.running = Gauge(f"{prefix}realisations_running", "Now", registry=registry)
        self.waiting = Gauge(f"{prefix}realisations_waiting", "For a place", registry=registry)
        self.pods = Gauge(f"{prefix}pods", "That name environments, by state", ("state",), registry=registry)
        self.environments = Gauge(f"{prefix}environments", "That have a plan", registry=registry)
        self.store_free_bytes = Gauge(f"{prefix}store_free_bytes", "Free on the store's disk", registry=registry)
        self.store_total_bytes = Gauge(f"{prefix}store_total_bytes", "Of the store's disk", registry=registry)
        self.collections = Counter(f"{prefix}collections", "By outcome", ("outcome",), registry=registry)
        self.collected_bytes = Counter(f"{prefix}collected_bytes", "Removed from the store", registry=registry)
        self.synced = Gauge(f"{prefix}synced", "Whether the pods of the node are known", registry=registry)
        Gauge(f"{prefix}info", "Its version", ("version",), registry=registry).labels(version).set(1)

    def text(self) -> bytes:
        """Return them in Prometheus' format."""
        return generate_latest(self.registry)
