"""Fifty pods at once on one node, from the creation of the first until the containers of all run.

Once with the environment or the image there, which is what the ratio is of; and once on an empty node, where the agent
says how often it has realised something.
"""

from __future__ import annotations

from typing import Any

from kubernetes.bench import Bench
from kubernetes.pods import pod
from measure import compare

__all__ = ["measure"]

PODS = 50


def measure(bench: Bench, rounds: int = 5) -> dict[str, Any]:
    """Return the figures."""
    ours, theirs = bench.ours, bench.theirs
    bench.pods.seconds([pod(theirs)])  # so that there is an image to be removed
    absent = {"breakbulk": _empty_node(bench, ours), "image": _without_image(bench, theirs)}
    realisations = bench.node.realisations()
    figures = compare(
        {
            "breakbulk": lambda: bench.pods.seconds(pod(ours) for _ in range(PODS)),
            "image": lambda: bench.pods.seconds(pod(theirs) for _ in range(PODS)),
        },
        rounds,
    )
    return {
        **figures,
        "ours_to_image": round(1 / figures["ratios"]["image"], 3),
        "absent_s": {name: round(value, 2) for name, value in absent.items()},
        "absent_ours_to_image": round(absent["breakbulk"] / absent["image"], 3),
        "realisations": realisations,
        "must_reach": {"ours_to_image": "<= 1.1", "absent_ours_to_image": "<= 1.1", "realisations": "== 1"},
    }


def _empty_node(bench: Bench, template: dict[str, Any]) -> float:
    bench.node.empty()
    bench.node.forget_removals()
    return bench.pods.seconds(pod(template) for _ in range(PODS))


def _without_image(bench: Bench, template: dict[str, Any]) -> float:
    bench.node.crictl("rmi", bench.image)
    bench.node.forget_removals()
    return bench.pods.seconds(pod(template) for _ in range(PODS))
