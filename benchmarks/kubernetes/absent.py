"""A pod from its creation until its container runs, on a node that has nothing of its environment or image.

Ours comes from the hub, a directory: all packages, Debian's and the base package too. The image has the same files in
two layers and comes from a registry on this machine.
"""

from __future__ import annotations

from typing import Any

from kubernetes.bench import Bench
from kubernetes.pods import pod
from measure import compare

__all__ = ["measure"]


def measure(bench: Bench, rounds: int = 5) -> dict[str, Any]:
    """Return the figures."""

    def ours() -> float:
        template = bench.ours
        bench.node.empty()
        bench.node.forget_removals()  # of the image
        return bench.pods.seconds([pod(template)])

    def theirs() -> float:
        template = bench.theirs
        bench.node.crictl("rmi", bench.image)
        bench.node.forget_removals()
        return bench.pods.seconds([pod(template)])

    bench.pods.seconds([pod(bench.theirs)])  # so that there is an image to be removed
    figures = compare({"breakbulk": ours, "image": theirs}, rounds)
    return {
        **figures,
        "ours_to_image": round(1 / figures["ratios"]["image"], 3),
        "must_reach": {"ours_to_image": "<= 0.7"},
    }
