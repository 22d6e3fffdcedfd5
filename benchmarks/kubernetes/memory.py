"""Resident memory of the node agent with two hundred environments on the node and fifty pods.

The environments differ in a variable and share their packages. Fifty are realised by the agent, each for a pod that
names it; the others are there beforehand, by `breakbulk node prewarm`.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kubernetes.bench import Bench, push
from kubernetes.node import HUB
from kubernetes.pods import pod, template
from workplace import WORK, breakbulk

__all__ = ["measure"]

ENVIRONMENTS, PODS = 200, 50
MANIFEST = """
[install]
python = {{ deb = "python3" }}
[options]
suite = "bookworm"
systems = ["x86_64-linux"]
[vars]
NUMBER = "{number}"
"""


def measure(bench: Bench, rounds: int = 1) -> dict[str, Any]:
    """Return the figures, in MB (10**6 bytes); there is one round, whatever is said."""
    del rounds
    pods = [pod(template(environment=_reference(number))) for number in range(PODS)]
    _publish(0)  # the packages, once
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_publish, range(1, ENVIRONMENTS)))
    before = _memory_mb(bench.node.agent_pid())
    _prewarm(bench, [_reference(number) for number in range(PODS, ENVIRONMENTS)])
    bench.pods.create(pods)
    try:
        bench.pods.running(one["metadata"]["name"] for one in pods)
        found = _memory_mb(bench.node.agent_pid())
    finally:
        bench.pods.remove(pods)
    plans = len(list((bench.node.breakbulk / "plans").iterdir()))
    assert plans >= ENVIRONMENTS, plans
    return {
        "resident_mb": found["VmRSS"],
        "most_mb": found["VmHWM"],
        "before_mb": before["VmRSS"],
        "environments": plans,
        "pods": len(pods),
        "must_reach": {"resident_mb": "< 120"},
    }


def _reference(number: int) -> str:
    return f"bench/number-{number}"


def _publish(number: int) -> None:
    directory = WORK / "kubernetes-numbers" / str(number)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "breakbulk.toml").write_text(MANIFEST.format(number=number))
    push(directory, _reference(number))


def _prewarm(bench: Bench, references: list[str]) -> None:
    node = bench.node
    variables = {"BREAKBULK_STORE": str(node.breakbulk / "store"), "BREAKBULK_CACHE": str(node.breakbulk / "cache")}
    places = (f"--state={node.breakbulk}", f"--store={node.breakbulk / 'store'}", f"--run={node.run}")
    breakbulk("node", "prewarm", *places, *references, BREAKBULK_HUB=str(HUB), **variables)


def _memory_mb(process: int) -> dict[str, float]:
    status = Path(f"/proc/{process}/status").read_text()
    return {
        name: round(int(kib) * 1024 / 1e6, 1) for name, kib in re.findall(r"^(Vm\w+):\s+(\d+) kB", status, re.MULTILINE)
    }
