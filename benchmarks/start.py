"""Start /bin/true in a realised environment of about 200 packages, against podman and against a bare unshare."""

from __future__ import annotations

import subprocess
from typing import Any

from images import Engine
from measure import compare, seconds
from workplace import AIRFLOW, WORK, breakbulk, copy_environment, locked_packages, rootfs_image

__all__ = ["measure"]


def measure(rounds: int = 15) -> dict[str, Any]:
    """Return the figures."""
    directory = copy_environment(AIRFLOW, "start")
    breakbulk("realise", "-e", str(directory))
    engine = Engine(WORK / "engine-start")
    try:
        rootfs_image(engine, directory, "localhost/airflow:1")
        figures = compare(
            {
                "breakbulk run": lambda: seconds(lambda: breakbulk("run", "-e", str(directory), "--", "/bin/true")),
                "podman run --rm": lambda: seconds(lambda: engine.run("localhost/airflow:1", "/bin/true")),
                "unshare": lambda: seconds(_unshare),
            },
            rounds,
            warm_up=2,
        )
    finally:
        engine.remove()
    over = figures["median_s"]["breakbulk run"] - figures["median_s"]["unshare"]
    return {
        **figures,
        "packages": len(locked_packages(directory)),
        "over_unshare_ms": round(over * 1000, 1),
        "must_reach": {"podman run --rm": ">= 2.0", "over_unshare_ms": "<= 120"},
    }


def _unshare() -> None:
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "/bin/true"], check=True)
