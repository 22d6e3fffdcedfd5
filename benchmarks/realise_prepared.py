"""Realise the Airflow environment from prepared packages on an empty store, against uv and against an image.

Ours has the environment on a hub in a directory and nothing else: no store, no cache. It makes all packages, the Debian
ones too, and the base package. uv installs the wheels alone, with bytecode, without a cache. The image has the same
files in two layers, Debian's and Python's, in a registry on loopback; podman pulls it into an empty storage.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from images import Engine, registry
from measure import compare, seconds
from realise_airflow import install_with_uv
from workplace import AIRFLOW, WORK, breakbulk, copy_environment, copy_rootfs, locked_packages

__all__ = ["measure"]

OURS = "breakbulk realise, prepared"
UV = "uv pip install --compile-bytecode"
IMAGE = "podman pull"
REFERENCE = "bench/airflow"
PYTHON = "usr/local"


def measure(rounds: int = 3) -> dict[str, Any]:
    """Return the figures."""
    directory = copy_environment(AIRFLOW, "prepared")
    hub, fresh = WORK / "hub-prepared", WORK / f"prepared-{os.getpid()}"
    shutil.rmtree(hub, ignore_errors=True)
    breakbulk("lock", "-e", str(directory))
    pushed = json.loads(breakbulk("push", "-e", str(directory), REFERENCE, "--json", BREAKBULK_HUB=str(hub)))
    engine = Engine(WORK / "engine-prepared")
    places = (fresh / str(number) for number in itertools.count())
    cpu: dict[str, list[float]] = {}
    phases: list[dict[str, Any]] = []
    nodes: list[Engine] = []
    try:
        with registry() as host:
            tag = f"{host}/airflow:1"
            layered_image(engine, directory, tag)
            engine.push(tag)
            figures = compare(
                {
                    OURS: _with_cpu(cpu, OURS, lambda: _ours(next(places), hub, phases)),
                    UV: _with_cpu(cpu, UV, lambda: install_with_uv(directory, next(places))),
                    IMAGE: _with_cpu(cpu, IMAGE, lambda: _pull(tag, next(places), nodes)),
                },
                rounds,
            )
    finally:
        for used in (engine, *nodes):
            used.remove()
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(hub, ignore_errors=True)
    return {
        **figures,
        "ours_to_uv": round(1 / figures["ratios"][UV], 2),
        "ours_to_image": round(1 / figures["ratios"][IMAGE], 2),
        "cpu_s": cpu,
        "pushed": pushed,
        "packages": len(locked_packages(directory)),
        "phases": phases[-1],
        "must_reach": {"ours_to_uv": "<= 0.5", "ours_to_image": "<= 0.7"},
    }


def layered_image(engine: Engine, directory: Path, tag: str) -> None:
    """Build an image of the environment's files: a layer for Debian's, one for Python's."""
    context = WORK / "context-prepared"
    copy_rootfs(directory, context)
    (context / "python").mkdir()
    (context / "root" / PYTHON).rename(context / "python" / "local")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY root/ /\nCOPY python/ /usr/\n")
    engine.build(context, tag)
    shutil.rmtree(context)


def _ours(place: Path, hub: Path, phases: list[dict[str, Any]]) -> float:
    where = {
        "BREAKBULK_STORE": str(place / "store"),
        "BREAKBULK_CACHE": str(place / "cache"),
        "BREAKBULK_HUB": str(hub),
    }
    printed: list[str] = []
    taken = seconds(lambda: printed.append(breakbulk("realise", "-e", REFERENCE, "--json", **where)))
    phases.append(json.loads(printed[0]))
    return taken


def _pull(tag: str, place: Path, nodes: list[Engine]) -> float:
    nodes.append(Engine(place / "engine"))  # removed at the end, as the others' files are
    return seconds(lambda: nodes[-1].pull(tag))


def _with_cpu(cpu: dict[str, list[float]], name: str, contender: Callable[[], float]) -> Callable[[], float]:
    """Note the seconds of CPU too, which other work on the machine changes less."""

    def measured() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken = contender()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.setdefault(name, []).append(round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2))
        return taken

    return measured
