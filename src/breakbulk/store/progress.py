"""What a realisation tells of its progress: bytes and packages for whoever watches, seconds per phase for the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from breakbulk.reporting import Reporter

__all__ = ["Progress"]


class Progress:
    """Counts of one pass; phases overlap, so each has the seconds from its first beginning to its last end.

    Args:
        reporter: Is told of bytes and packages.
        sizes: In bytes, of what is fetched for each package.

    """

    def __init__(self, reporter: Reporter, sizes: Sequence[int]) -> None:
        self.downloaded = 0
        self._spans: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._bytes = reporter.begin("Downloading", total=sum(sizes), unit="bytes")
        self._packages = reporter.begin("Unpacking", total=len(sizes), unit="packages")

    def bytes_arrived(self, amount: int) -> None:
        """Count bytes of archives; negative when a transfer starts again."""
        self._bytes.advance(amount)

    def unpacked(self) -> None:
        """Count a package."""
        self._packages.advance()

    def finish(self) -> None:
        """Say that the pass has ended."""
        self._bytes.finish()
        self._packages.finish()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done inside as part of a phase."""
        begun = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            with self._lock:
                first, last = self._spans.get(name, (begun, ended))
                self._spans[name] = (min(first, begun), max(last, ended))

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each phase that took place."""
        return {name: ended - begun for name, (begun, ended) in self._spans.items()}
