"""A new generation of the Airflow environment that changes one package, until its command runs on another machine.

Ours: change the manifest, push (which locks, realises and prepares what is new), run it by name in a second store that
has the generation before. The image's way: build, push, pull on a node that has the image before, run. Neither side
has met the version in this round; the interpreter, the other packages and the layers below are there on both.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from change_dependency import NAME, PROBE, ImageRounds, builder_image, pin
from images import Engine, registry
from measure import compare, seconds
from workplace import AIRFLOW, WORK, breakbulk, copy_environment, locked_packages

__all__ = ["measure"]

REFERENCE = "bench/airflow"
VERSIONS = ("14.2.0", "14.1.0", "14.0.0", "13.9.4")  # one more than rounds: a builder remembers what it has built


def measure(rounds: int = 3) -> dict[str, Any]:
    """Return the figures."""
    ours = _Generations(copy_environment(AIRFLOW, "change-generation"))
    engine, node = Engine(WORK / "engine-build"), Engine(WORK / "engine-node")
    try:
        builder_image(engine)
        with registry() as host:
            images = ImageRounds(engine, ours.directory, f"{host}/airflow", iter(VERSIONS), node=node)
            images()  # fills the layers before the one that changes, here and on the node
            figures = compare({"breakbulk": ours, "image": images}, rounds)
    finally:
        for used in (engine, node):
            used.remove()
        ours.remove()
    return {
        **figures,
        "phases_s": ours.phases,
        "bytes_sent": ours.sent,
        "packages": len(locked_packages(ours.directory)),
        "must_reach": {"image": ">= 10.0"},
    }


class _Generations:
    """Our way: two stores and a hub in a directory, which has a generation that the second store has realised."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.hub = WORK / "hub-generation"
        self.elsewhere = WORK / "elsewhere-generation"
        self.remove()
        self.versions = iter(VERSIONS)
        self.phases: list[dict[str, float]] = []
        self.sent: list[int] = []
        pin(directory, next(self.versions))
        self._push()
        self._run()

    def __call__(self) -> float:
        version = next(self.versions)
        self._forget(version)
        pushed = seconds(lambda: self._change(version))
        ran = seconds(lambda: self._run_changed(version))
        self.phases.append({"push": round(pushed, 3), "run": round(ran, 3)})
        return pushed + ran

    def remove(self) -> None:
        """Remove the hub and the second store."""
        for place in (self.hub, self.elsewhere):
            shutil.rmtree(place, ignore_errors=True)

    def _forget(self, version: str) -> None:
        """Remove a version from both stores and from the hub, as if it had never been there."""
        for store in (WORK / "store", self.elsewhere / "store"):
            for tree in (store / "packages").glob(f"*-{NAME}-{version}*"):
                if tree.name.partition("@")[0].endswith(f"-{version}"):
                    shutil.rmtree(tree)
        for pointer in self.hub.glob(f"prepared/*-{NAME}-{version}/*"):
            sha256 = json.loads(pointer.read_bytes())["sha256"]
            (self.hub / "objects" / sha256[:2] / sha256).unlink(missing_ok=True)
            pointer.unlink()

    def _change(self, version: str) -> None:
        pin(self.directory, version)
        self._push()

    def _push(self) -> None:
        printed = breakbulk("push", "-e", str(self.directory), REFERENCE, "--json", BREAKBULK_HUB=str(self.hub))
        self.sent.append(json.loads(printed)["bytes_sent"])

    def _run_changed(self, version: str) -> None:
        printed = self._run()
        assert printed.strip() == version, printed

    def _run(self) -> str:
        where = {"BREAKBULK_STORE": str(self.elsewhere / "store"), "BREAKBULK_CACHE": str(self.elsewhere / "cache")}
        return breakbulk("run", "-e", REFERENCE, "--", *PROBE, BREAKBULK_HUB=str(self.hub), **where)
