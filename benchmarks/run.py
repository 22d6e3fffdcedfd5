"""Run the benchmarks and print their figures as one JSON document.

usage: run.py [NAME...]      names: command_line, start, change_source, change_dependency, change_generation,
                             realise_airflow, realise_prepared, hub_catalogue
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from typing import Any

NAMES = (
    "command_line",
    "start",
    "change_source",
    "change_dependency",
    "change_generation",
    "realise_airflow",
    "realise_prepared",
    "hub_catalogue",
)


def main(names: list[str]) -> None:
    """Run the benchmarks named, or all of them."""
    unknown = set(names) - set(NAMES)
    if unknown:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    figures: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "kernel": platform.release().split("-")[0]}}
    for name in names or NAMES:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        figures[name] = importlib.import_module(name).measure()
        print(json.dumps({name: figures[name]}, indent=2), file=sys.stderr, flush=True)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
