"""What one agent is told: its node, its cluster, and its limits. Made by the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec

from breakbulk.errors import UsageError
from breakbulk.node.place import NodePlace
from breakbulk.settings import Settings

__all__ = ["AgentSettings", "address_of"]


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one agent.

    Attributes:
        place: Paths and name of the node.
        settings: Hub, whom to believe, and how to fetch; credentials are nowhere else. Its store is the place's.
        kubeconfig: How to reach the API server; None inside a pod, which has it from Kubernetes.
        context: Of the kubeconfig; None for its current one.
        concurrency: How many environments are realised at once.
        waiting_max: How many more wait before others are refused (`agent-busy`).
        disk_high_percent: From here on, what no pod needs is removed from the store.
        disk_low_percent: Until the disk is no fuller than this.
        history: How many digests of each environment are kept beside those that pods name.
        recent_days: Digests that were used of late are kept as well, unless that frees too little.
        metrics: `HOST:PORT` of metrics and health, `none` for neither.

    """

    place: NodePlace
    settings: Settings
    kubeconfig: Path | None = None
    context: str | None = None
    concurrency: int = 4
    waiting_max: int = 256
    disk_high_percent: float = 85.0
    disk_low_percent: float = 75.0
    history: int = 3
    recent_days: float = 7.0
    metrics: str = "127.0.0.1:9464"

    def __post_init__(self) -> None:
        """Raise `UsageError` for limits that make no sense."""
        if not 0 < self.disk_low_percent < self.disk_high_percent <= 100:
            raise UsageError(
                f"{self.disk_low_percent:g} and {self.disk_high_percent:g} are no limits of a disk",
                identifier="agent-settings-invalid",
                hint="give two percentages, the lower one first: 75 and 85",
            )
        if self.concurrency < 1 or self.waiting_max < 1 or self.history < 1:
            raise UsageError("an agent that may do nothing does nothing", identifier="agent-settings-invalid")
        address_of(self.metrics)


def address_of(text: str) -> tuple[str, int] | None:
    """Return host and port of `HOST:PORT`, None for `none`; raise `UsageError` `agent-settings-invalid`."""
    if text == "none":
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(
            f"{text[:100]!r} is no address",
            identifier="agent-settings-invalid",
            hint="write HOST:PORT, such as 127.0.0.1:9464, or none",
        )
    return host.strip("[]"), int(port)
