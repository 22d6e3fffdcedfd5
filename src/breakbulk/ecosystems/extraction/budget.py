"""How much an archive may unpack to: counted while it is written, so that a bomb is stopped and not measured."""

from __future__ import annotations

from breakbulk.ecosystems.extraction.names import refusal
from breakbulk.ecosystems.extraction.rules import Limits
from breakbulk.errors import ArchiveError

__all__ = ["Budget"]


class Budget:
    """Counts members and bytes of one archive; raises `ArchiveError` `archive-bomb` at the first one too many."""

    def __init__(self, limits: Limits, *, archive: str, packed_bytes: int | None = None) -> None:
        self._archive = archive
        self._members = limits.members
        self._members_left = limits.members
        by_ratio = (
            limits.total_bytes if packed_bytes is None else max(packed_bytes * limits.ratio, limits.ratio_from_bytes)
        )
        self._bytes = min(limits.total_bytes, by_ratio)
        self._bytes_left = self._bytes

    def count_member(self, path: str) -> None:
        """Count one file, directory or link."""
        self._members_left -= 1
        if self._members_left < 0:
            raise self._bomb(f"it has more than {self._members} members", path)

    def count_bytes(self, size: int) -> None:
        """Count bytes before they are written."""
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise self._bomb(f"it unpacks to more than {self._bytes >> 20} MiB")

    def _bomb(self, why: str, member: str | None = None) -> ArchiveError:
        return refusal(
            "the archive unpacks to more than it should",
            identifier="archive-bomb",
            archive=self._archive,
            member=member,
            why=why,
        )
