"""How long a command takes to say something: `--help`, and `list` of the Airflow environment."""

from __future__ import annotations

from typing import Any

from measure import compare, seconds
from workplace import AIRFLOW, breakbulk, copy_environment

__all__ = ["measure"]


def measure(rounds: int = 15) -> dict[str, Any]:
    """Return the figures."""
    directory = copy_environment(AIRFLOW, "command-line")
    figures = compare(
        {
            "--help": lambda: seconds(lambda: breakbulk("--help")),
            "list": lambda: seconds(lambda: breakbulk("list", "-e", str(directory))),
            "lock, nothing changed": lambda: seconds(lambda: breakbulk("lock", "-e", str(directory))),
        },
        rounds,
        warm_up=1,
    )
    return {**figures, "must_reach": {"--help": "<= 0.150 s", "list": "<= 0.250 s", "lock": "<= 0.300 s"}}
