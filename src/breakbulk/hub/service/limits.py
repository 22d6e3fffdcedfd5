"""How often somebody may ask: a bucket of permits per caller that fills up again at a steady rate.

Pure but for the clock it is handed. State is in memory: after a restart everybody begins with a full bucket.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

__all__ = ["Limiter", "Rate", "parse_rate"]

_REMEMBERED = 50_000


class Rate(msgspec.Struct, frozen=True):
    """`per_s` permits come each second, up to `burst`."""

    per_s: float
    burst: float


class Limiter:
    """Buckets of one rate, by name; those that were not used for longest are forgotten first."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, permits: float = 1.0) -> float:
        """Take permits and return 0.0, or return the seconds after which there will be enough."""
        with self._lock:
            held, now = self._held(name)
            wait_s = 0.0 if held >= permits else (permits - held) / self.rate.per_s
            self._keep(name, held if wait_s else held - permits, now)
            return wait_s

    def wait_s(self, name: str) -> float:
        """Return the seconds until there is a permit, and take none."""
        with self._lock:
            held, _ = self._held(name)
            return 0.0 if held >= 1.0 else (1.0 - held) / self.rate.per_s

    def _held(self, name: str) -> tuple[float, float]:
        now = self._clock()
        held, since = self._buckets.get(name, (self.rate.burst, now))
        return min(self.rate.burst, held + (now - since) * self.rate.per_s), now

    def _keep(self, name: str, held: float, now: float) -> None:
        self._buckets[name] = (held, now)
        self._buckets.move_to_end(name)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)


def parse_rate(text: str) -> Rate:
    """Read `200/s`, `200/s:2000` or `10/min:10` (the burst after the colon); raise `ValueError`."""
    rate, _, burst = text.partition(":")
    number, _, unit = rate.partition("/")
    per_s = float(number) / {"s": 1, "min": 60, "h": 3600}[unit]
    if not (per_s > 0 and (not burst or float(burst) >= 1)):
        raise ValueError(text)
    return Rate(per_s, float(burst) if burst else max(1.0, float(number)))
