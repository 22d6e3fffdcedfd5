"""Change one line of the user's source until it runs, against an image with every other layer cached everywhere."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

from change_dependency import CERTIFICATES, builder_image, dockerfile, requirements
from images import Engine, registry
from measure import compare, seconds
from workplace import AIRFLOW, WORK, breakbulk, copy_environment

__all__ = ["measure"]

PROBE = ("python3", "/opt/dags/dag.py")


def measure(rounds: int = 7) -> dict[str, Any]:
    """Return the figures."""
    directory = copy_environment(AIRFLOW, "change-source")
    manifest = (directory / "breakbulk.toml").read_text()
    (directory / "breakbulk.toml").write_text(manifest.replace("[install]", '[install]\ndags = { path = "./dags" }'))
    numbers = itertools.count()
    _write(directory / "dags", next(numbers))
    breakbulk("realise", "-e", str(directory))
    engine, node = Engine(WORK / "engine-build"), Engine(WORK / "engine-node")
    try:
        builder_image(engine)
        with registry() as host:
            image = _Image(engine, node, f"{host}/dags", requirements(directory))
            image(next(numbers))  # fills every layer, here and on the node
            figures = compare(
                {"breakbulk": lambda: _ours(directory, next(numbers)), "image": lambda: image(next(numbers))},
                rounds,
                warm_up=1,
            )
    finally:
        engine.remove()
        node.remove()
    return {**figures, "must_reach": {"image": ">= 5.0"}}


def _write(directory: Path, number: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "dag.py").write_text(f"print({number})\n")


def _ours(directory: Path, number: int) -> float:
    def change() -> None:
        _write(directory / "dags", number)
        printed = breakbulk("run", "-e", str(directory), "--", *PROBE)
        assert printed.strip() == str(number), printed

    return seconds(change)


class _Image:
    """Build the last layer, push and pull it, run."""

    def __init__(self, engine: Engine, node: Engine, repository: str, wheels: list[str]) -> None:
        self.engine, self.node, self.repository = engine, node, repository
        self.context = WORK / "context-dags"
        shutil.rmtree(self.context, ignore_errors=True)
        self.context.mkdir(parents=True)
        (self.context / "requirements.txt").write_text("\n".join(wheels))
        shutil.copy(CERTIFICATES, self.context / "certificates.crt")
        (self.context / "Dockerfile").write_text(dockerfile("COPY dags /opt/dags"))

    def __call__(self, number: int) -> float:
        tag = f"{self.repository}:{number}"

        def change() -> None:
            _write(self.context / "dags", number)
            self.engine.build(self.context, tag)
            self.engine.push(tag)
            self.node.pull(tag)
            printed = self.node.run(tag, *PROBE)
            assert printed.strip() == str(number), printed

        return seconds(change)
