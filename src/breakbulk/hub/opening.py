"""From settings to a hub."""

from __future__ import annotations

from breakbulk.hub.backends import open_objects
from breakbulk.hub.configuration import read_configuration
from breakbulk.hub.hub import Hub
from breakbulk.settings import Settings

__all__ = ["open_hub"]


def open_hub(settings: Settings, url: str | None = None) -> Hub:
    """Return the configured hub, or the one at `url`; nothing is asked of it yet.

    Raises:
        UsageError: `hub-address-invalid`, `configuration-invalid`.

    """
    return Hub(open_objects(url or read_configuration(settings).hub, settings))
