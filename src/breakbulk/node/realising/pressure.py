"""How full the disk of the store is, and how much has to go. Pure but for one look.

As kubelet's image collection does: nothing happens below `high`, and then as much goes as it takes to be at `low`, so
that it does not happen all the time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

__all__ = ["Disk", "history_needed", "look"]


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of a file system: all, and those that may still be written by the store's owner."""

    total_bytes: int
    free_bytes: int

    @property
    def used_percent(self) -> float:
        """How full it is, from 0 to 100."""
        return 100.0 * (1 - self.free_bytes / self.total_bytes) if self.total_bytes else 0.0

    def excess_bytes(self, *, high_percent: float, low_percent: float) -> int:
        """Return how many bytes have to go: none while it is less full than `high_percent`."""
        if self.used_percent < high_percent:
            return 0
        return max(round(self.total_bytes * (1 - low_percent / 100)) - self.free_bytes, 0)


def look(store: Path) -> Disk:
    """Return how full the disk is that a store is on, or will be. Raises `OSError`."""
    existing = next(place for place in (store, *store.parents) if place.exists())
    status = os.statvfs(existing)
    return Disk(total_bytes=status.f_blocks * status.f_frsize, free_bytes=status.f_bavail * status.f_frsize)


def history_needed(used_s: Mapping[str, Iterable[float]], *, since_s: float, least: int) -> int:
    """Return how many digests of each environment must be kept so that none goes that was used since then.

    Args:
        used_s: When each digest was used last, by environment; Unix time.
        since_s: Unix time.
        least: How many are kept in any case.

    """
    recent = (sum(moment >= since_s for moment in moments) for moments in used_s.values())
    return max([least, *recent])
