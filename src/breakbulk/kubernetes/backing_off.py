"""How long to wait before the next try: twice as long each time, with jitter, as a fleet must not knock in step."""

from __future__ import annotations

import random

__all__ = ["BackOff"]


class BackOff:
    """Delays of one thing that is tried again and again.

    Args:
        first_s: Of the first delay, at most.
        most_s: Of any delay.

    """

    def __init__(self, first_s: float = 0.5, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._tries = 0

    def reset(self) -> None:
        """Begin again with the first delay: it worked."""
        self._tries = 0

    def next_s(self) -> float:
        """Return the next delay in seconds: between half and all of what it has grown to."""
        grown = min(self._most_s, self._first_s * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return grown * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing
