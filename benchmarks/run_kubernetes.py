"""Run the benchmarks of pods on a cluster made for them, and print their figures as one JSON document.

usage: run_kubernetes.py [--rounds N] [NAME...]

names: present, absent, generation, together, handler, memory. N is for a quick look; each has its own number of rounds.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kubernetes.bench import Bench
from kubernetes.node import running_node

NAMES = ("present", "absent", "generation", "together", "handler", "memory")
RESULTS = Path(__file__).parent / "results"


def main(names: list[str], rounds: int | None) -> None:
    """Run the benchmarks named, or all of them, on one cluster; one that fails does not take the others along."""
    unknown = set(names) - set(NAMES)
    if unknown:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    figures: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "kernel": platform.release().split("-")[0]}}
    with ExitStack() as stack:
        bench = Bench(stack.enter_context(running_node()), stack)
        for name in names or NAMES:
            figures[name] = _measured(name, bench, rounds)
            _write(figures)
    print(json.dumps(figures, indent=2))
    failed = [name for name in names or NAMES if "failed" in figures[name]]
    if failed:
        raise SystemExit(f"not measured: {', '.join(failed)}")


def _measured(name: str, bench: Bench, rounds: int | None) -> dict[str, Any]:
    print(f"measuring {name}", file=sys.stderr, flush=True)
    started, load = time.monotonic(), os.getloadavg()[0]
    module = importlib.import_module(f"kubernetes.{name}")
    try:
        found: dict[str, Any] = module.measure(bench, **({} if rounds is None else {"rounds": rounds}))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is told, and the others are measured
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {error}"}
    found |= {"took_s": round(time.monotonic() - started), "load": [round(load, 1), round(os.getloadavg()[0], 1)]}
    print(json.dumps({name: found}, indent=2), file=sys.stderr, flush=True)
    return found


def _write(figures: dict[str, Any]) -> None:
    """Keep what there is, so that a run which is ended has not been for nothing."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "kubernetes.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, help="of each, instead of its own number")
    given = parser.parse_args()
    main(given.names, given.rounds)
