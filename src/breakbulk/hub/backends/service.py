"""Objects behind the hub service, over HTTP."""

from __future__ import annotations

from breakbulk.hub.objects import Objects
from breakbulk.settings import Settings

__all__ = ["open_service"]


def open_service(url: str, settings: Settings) -> Objects:
    """Return the objects that the hub service at `url` serves."""
    raise NotImplementedError
