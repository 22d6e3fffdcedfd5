"""Fifty pods at once on one node, from the creation of the first until the containers of all run.

With the environment or the image there, and on an empty node, where the agent says how often it has realised something.
"""

from __future__ import annotations

from typing import Any

from kubernetes.bench import Bench
from kubernetes.pods import pod
from measure import compare

__all__ = ["measure"]

PODS = 50
EMPTY_ROUNDS = 3


def measure(bench: Bench, rounds: int = 5) -> dict[str, Any]:
    """Return the figures."""
    ours, theirs = bench.ours, bench.theirs
    bench.pods.seconds([pod(theirs)])  # so that there is an image to be removed
    realisations: list[int] = []

    def together(template: dict[str, Any]) -> float:
        return bench.pods.seconds(pod(template) for _ in range(PODS))

    def on_an_empty_node() -> float:
        bench.node.empty()
        bench.node.forget_removals()
        took_s = together(ours)
        realisations.append(bench.node.realisations())
        return took_s

    def without_the_image() -> float:
        bench.node.crictl("rmi", bench.image)
        bench.node.forget_removals()
        return together(theirs)

    absent = compare({"breakbulk": on_an_empty_node, "image": without_the_image}, min(rounds, EMPTY_ROUNDS))
    present = compare({"breakbulk": lambda: together(ours), "image": lambda: together(theirs)}, rounds)
    return {
        **present,
        "ours_to_image": round(1 / present["ratios"]["image"], 3),
        "absent": absent,
        "absent_ours_to_image": round(1 / absent["ratios"]["image"], 3),
        "realisations": max(realisations),
        "must_reach": {"ours_to_image": "<= 1.1", "absent_ours_to_image": "<= 1.1", "realisations": "== 1"},
    }
