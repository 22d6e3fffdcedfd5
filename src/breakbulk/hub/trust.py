"""Decide whether an environment of a hub may run here: the one way from a reference to something to realise."""

from __future__ import annotations

from breakbulk.hub.hub import Hub
from breakbulk.hub.names import Reference
from breakbulk.hub.records import Recorded
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

__all__ = ["resolve_trusted"]


def resolve_trusted(hub: Hub, reference: Reference, settings: Settings, reporter: Reporter = SILENT) -> Recorded:
    """Return what `reference` means."""
    return hub.resolve(reference)
