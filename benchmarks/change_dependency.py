"""Change one Python dependency of the Airflow environment until its command runs, against an image's whole way."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from images import Engine, registry
from measure import compare, seconds
from workplace import AIRFLOW, WORK, breakbulk, copy_environment, locked_packages, rootfs_image

__all__ = ["NAME", "PROBE", "VERSIONS", "ImageRounds", "builder_image", "dockerfile", "measure", "pin", "requirements"]

NAME = "rich"
VERSIONS = ("14.1.0", "14.2.0")
PROBE = ("python3", "-c", f"from importlib.metadata import version; import {NAME}; print(version('{NAME}'))")
CERTIFICATES = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
BUILDER = """
[install]
python = { deb = "python3" }
uv = { pypi = "uv" }
[options]
suite = "bookworm"
systems = ["x86_64-linux"]
"""


def measure(rounds: int = 3) -> dict[str, Any]:
    """Return the figures."""
    directory = copy_environment(AIRFLOW, "change-dependency")
    pin(directory, VERSIONS[1])
    breakbulk("realise", "-e", str(directory))
    engine = Engine(WORK / "engine-build")
    try:
        builder_image(engine)
        with registry() as host:
            ours, theirs = itertools.cycle(VERSIONS), itertools.cycle(VERSIONS)
            rounds_of_images = ImageRounds(engine, directory, f"{host}/airflow", theirs)
            rounds_of_images()  # the first build fills the layers before the one that changes
            figures = compare({"breakbulk": lambda: _ours(directory, next(ours)), "image": rounds_of_images}, rounds)
    finally:
        engine.remove()
    wheels = sum(package["ecosystem"] == "pypi" for package in locked_packages(directory))
    return {**figures, "wheels": wheels, "must_reach": {"image": ">= 10.0"}}


def _ours(directory: Path, version: str) -> float:
    for tree in (WORK / "store" / "packages").glob(f"*-{NAME}-{version}"):
        shutil.rmtree(tree)  # as if the version had never been here: it is fetched, unpacked and compiled again

    def change() -> None:
        pin(directory, version)
        printed = breakbulk("run", "-e", str(directory), "--", *PROBE)
        assert printed.strip() == version, printed

    return seconds(change)


def pin(directory: Path, version: str) -> None:
    """Make the manifest ask for one version of the dependency."""
    manifest = (AIRFLOW / "breakbulk.toml").read_text()
    pin = f'[install]\npinned = {{ pypi = "{NAME}", version = "=={version}" }}'
    (directory / "breakbulk.toml").write_text(manifest.replace("[install]", pin))


class ImageRounds:
    """The image's way: build, push, pull into an empty store, or on a `node` that has the image before, run."""

    def __init__(
        self,
        engine: Engine,
        directory: Path,
        repository: str,
        versions: Iterator[str],
        *,
        node: Engine | None = None,
    ) -> None:
        self.node = node
        self.engine = engine
        self.repository = repository
        self.versions = versions
        self.context = WORK / "context-airflow"
        self.wheels = requirements(directory)
        self.numbers = itertools.count()

    def __call__(self) -> float:
        """Ship the next version once, and return the seconds from building to what it prints."""
        version, tag = next(self.versions), f"{self.repository}:{next(self.numbers)}"
        shutil.rmtree(self.context, ignore_errors=True)
        self.context.mkdir(parents=True)
        pinned = [f"{NAME}=={version}" if line.startswith(f"{NAME}==") else line for line in self.wheels]
        (self.context / "requirements.txt").write_text("\n".join(pinned))
        shutil.copy(CERTIFICATES, self.context / "certificates.crt")
        (self.context / "Dockerfile").write_text(dockerfile())
        node = self.node or Engine(WORK / "engine-node")
        try:
            return seconds(lambda: self._ship(node, tag))
        finally:
            if self.node is None:
                node.remove()

    def _ship(self, node: Engine, tag: str) -> None:
        self.engine.build(self.context, tag)
        self.engine.push(tag)
        node.pull(tag)
        node.run(tag, *PROBE)


def dockerfile(*more: str) -> str:
    """Return a well-layered Dockerfile: interpreter, then dependencies, then what changes most."""
    return "\n".join(
        (
            "FROM localhost/builder:1",
            "COPY certificates.crt /etc/ssl/certs/ca-certificates.crt",
            "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
            "COPY requirements.txt /requirements.txt",
            "RUN uv pip install --system --break-system-packages --no-deps --compile-bytecode -r /requirements.txt",
            *more,
            "",
        )
    )


def requirements(directory: Path) -> list[str]:
    """Return the locked wheels as exact requirements."""
    return [f"{p['name']}=={p['version']}" for p in locked_packages(directory) if p["ecosystem"] == "pypi"]


def builder_image(engine: Engine) -> None:
    """Build the image that the Dockerfile starts from: the same Debian packages, and uv."""
    directory = WORK / "builder"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "breakbulk.toml").write_text(BUILDER)
    breakbulk("realise", "-e", str(directory))
    rootfs_image(engine, directory, "localhost/builder:1")
