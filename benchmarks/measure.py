"""Compare contenders fairly on a noisy machine: interleaved in one run, medians, and their ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["compare", "seconds"]

Contender = Callable[[], float]
"""Does the work once and returns the seconds that count; preparation and cleaning up are not among them."""


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(contenders: Mapping[str, Contender], rounds: int, *, warm_up: int = 0) -> dict[str, Any]:
    """Run every contender in every round, in turn, and return medians, all samples and the ratio to the first.

    `ratios["peer"]` is peer / ours, so 2.0 means that ours, the first contender, takes half the time.
    """
    for _ in range(warm_up):
        for contender in contenders.values():
            contender()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            samples[name].append(contender())
    medians = {name: statistics.median(times) for name, times in samples.items()}
    ours = next(iter(medians))
    return {
        "median_s": {name: round(value, 4) for name, value in medians.items()},
        "ratios": {name: round(value / medians[ours], 2) for name, value in medians.items() if name != ours},
        "samples_s": {name: [round(value, 4) for value in times] for name, times in samples.items()},
    }
