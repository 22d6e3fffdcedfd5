"""Places that keep objects, by the scheme of their address."""

from __future__ import annotations

from breakbulk.hub.objects import Objects
from breakbulk.settings import Settings

__all__ = ["open_objects"]


def open_objects(url: str, settings: Settings) -> Objects:
    """Return the place at `url`; a path without a scheme is a directory."""
    raise NotImplementedError
