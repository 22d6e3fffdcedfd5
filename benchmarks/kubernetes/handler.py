"""The runtime handler's own time: from the moment in which it is called until it becomes runc, process start included.

Two tiny programs note the time, in front of the handler and between it and runc (`stamp.c`); pods come one after the
other, with their environment on the node. `create` is told of sandboxes and of containers; every call but `create` and
`exec` is passed on to runc as it came.
"""

from __future__ import annotations

import math
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from breakbulk.node.handler.invocation import Invocation, parse
from kubernetes.bench import Bench
from kubernetes.node import Node
from kubernetes.pods import pod
from workplace import WORK

__all__ = ["measure"]

SOURCE = Path(__file__).with_name("stamp.c")


def measure(bench: Bench, rounds: int = 30) -> dict[str, Any]:
    """Return the figures, in milliseconds; a round is a pod."""
    template = bench.ours
    bench.pods.seconds([pod(template)])  # realised
    sandboxes: set[str] = set()
    with _stamped(bench.node) as log:
        for _ in range(rounds):
            sandboxes |= _run(bench, pod(template))
        calls = list(_calls(log.read_text().splitlines()))
    times: dict[str, list[float]] = {}
    for words, taken_ms in calls:
        times.setdefault(_kind(parse(words), sandboxes), []).append(taken_ms)
    figures = {kind: _summary(taken) for kind, taken in sorted(times.items())}
    return {
        "own_ms": figures,
        "create_p95_ms": _p95([*times["create of a sandbox"], *times["create of a container"]]),
        "passed_on_median_ms": figures["passed on"]["median"],
        "must_reach": {"create_p95_ms": "< 60", "passed_on_median_ms": "< 20"},
    }


def _run(bench: Bench, one: dict[str, Any]) -> set[str]:
    """Run a pod, and return the id of its sandbox."""
    bench.pods.create([one])
    try:
        bench.pods.running([one["metadata"]["name"]])
        return set(bench.node.crictl("pods", "--namespace=default", "--quiet", "--no-trunc").split())
    finally:
        bench.pods.remove([one])


@contextmanager
def _stamped(node: Node) -> Iterator[Path]:
    """Have the node's handler timed, and put everything back."""
    directory = WORK / "stamps"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    log, before, after, inner = (directory / name for name in ("log", "before", "after", "handler"))
    original, runc = node.handler.read_text(), node.programs / "runc"
    assert str(runc) in original, "the handler does not call the runc that is expected"
    inner.write_text(original.replace(str(runc), str(after)))
    inner.chmod(0o755)
    _compile(before, log, "before", inner)
    _compile(after, log, "after", runc)
    _replace(node.handler, before.read_bytes())
    try:
        yield log
    finally:
        _replace(node.handler, original.encode())
        shutil.rmtree(directory)


def _compile(program: Path, log: Path, label: str, target: Path) -> None:
    definitions = {"LOG": log, "LABEL": label, "TARGET": target}
    subprocess.run(
        [
            "gcc",
            "-O2",
            "-static",
            *(f'-D{name}="{value}"' for name, value in definitions.items()),
            "-o",
            program,
            SOURCE,
        ],
        check=True,
    )


def _replace(path: Path, content: bytes) -> None:
    """Replace a program that others may be about to call."""
    half = path.with_name(f"{path.name}.half")
    half.write_bytes(content)
    half.chmod(path.stat().st_mode)
    os.replace(half, path)


def _calls(lines: Sequence[str]) -> Iterator[tuple[list[str], float]]:
    """Yield the words of each call, and the milliseconds from its first note to its second."""
    begun: dict[str, int] = {}
    for line in lines:
        label, process, at_ns, *words = line.split("\t")
        if label == "before":
            begun[process] = int(at_ns)
        elif process in begun:
            yield words, (int(at_ns) - begun.pop(process)) / 1e6


def _kind(call: Invocation, sandboxes: set[str]) -> str:
    if call.verb == "create":
        return "create of a sandbox" if call.container in sandboxes else "create of a container"
    return "exec" if call.verb == "exec" else "passed on"


def _summary(times_ms: Sequence[float]) -> dict[str, float]:
    return {"calls": len(times_ms), "median": round(statistics.median(times_ms), 1), "p95": _p95(times_ms)}


def _p95(times_ms: Sequence[float]) -> float:
    return round(sorted(times_ms)[math.ceil(len(times_ms) * 0.95) - 1], 1)
