"""A pod from its creation until its container runs, the environment or the image being on the node."""

from __future__ import annotations

from typing import Any

from kubernetes.bench import Bench
from kubernetes.pods import pod
from measure import compare

__all__ = ["measure"]


def measure(bench: Bench, rounds: int = 15) -> dict[str, Any]:
    """Return the figures."""
    figures = compare(
        {
            "breakbulk": lambda: bench.pods.seconds([pod(bench.ours)]),
            "image": lambda: bench.pods.seconds([pod(bench.theirs)]),
        },
        rounds,
        warm_up=2,  # the first has it realised, or pulled
    )
    return {
        **figures,
        "ours_to_image": round(1 / figures["ratios"]["image"], 3),
        "must_reach": {"ours_to_image": "<= 1.15"},
    }
