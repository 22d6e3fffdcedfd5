"""What the benchmarks share: the node, its pods, the Airflow environment on the hub, its image in a registry.

Each is made when the first benchmark wants it.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from images import Engine, registry
from kubernetes.node import HUB, Node
from kubernetes.pods import Pods, template
from realise_prepared import layered_image
from workplace import AIRFLOW, WORK, breakbulk, copy_environment

__all__ = ["REFERENCE", "Bench", "push"]

REFERENCE = "bench/airflow"


class Bench:
    """One node with its hub and its registry; `stack` takes back what is made."""

    def __init__(self, node: Node, stack: ExitStack) -> None:
        self.node = node
        self._stack = stack

    @cached_property
    def pods(self) -> Pods:
        """The pods of the node."""
        return Pods(self.node)

    @cached_property
    def registry(self) -> str:
        """`host:port` of a registry on the cluster's bridge, which this machine alone reaches."""
        host = self._stack.enter_context(registry(self.node.gateway, self.node.programs / "registry"))
        self.node.trust(host)
        return host

    @cached_property
    def engine(self) -> Engine:
        """What builds and pushes images."""
        directory = WORK / "engine-kubernetes"
        Engine(directory).remove()  # what a killed run has left
        engine = Engine(directory)
        self._stack.callback(engine.remove)
        return engine

    @cached_property
    def directory(self) -> Path:
        """The Airflow environment, which is on the hub."""
        directory = copy_environment(AIRFLOW, "kubernetes-airflow")
        breakbulk("lock", "-e", str(directory))
        push(directory, REFERENCE)
        return directory

    @cached_property
    def image(self) -> str:
        """An image of the same files in two layers, in the registry."""
        tag = f"{self.registry}/airflow:1"
        layered_image(self.engine, self.directory, tag)
        self.engine.push(tag)
        return tag

    @cached_property
    def ours(self) -> dict[str, Any]:
        """A template of pods of the environment."""
        assert self.directory  # it is on the hub
        return template(environment=REFERENCE)

    @cached_property
    def theirs(self) -> dict[str, Any]:
        """A template of pods of the image."""
        return template(image=self.image)


def push(directory: Path, reference: str) -> dict[str, Any]:
    """Publish an environment on the hub of the node."""
    printed = breakbulk("push", "-e", str(directory), reference, "--json", BREAKBULK_HUB=str(HUB))
    document: dict[str, Any] = json.loads(printed)
    return document
