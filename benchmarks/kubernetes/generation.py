"""A new generation of the Airflow environment that changes one package, until all ten pods of a Deployment run it.

Ours: change the manifest, push, name the generation in the Deployment. The image's way: build, push, name the tag in
the Deployment. Both Deployments roll over as Kubernetes does by default, a quarter at a time, and the node has the
generation or the image before. Neither side has met the version in this run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from change_dependency import CERTIFICATES, NAME, PROBE, builder_image, dockerfile, pin, requirements
from kubernetes.bench import Bench, push
from kubernetes.pods import template
from measure import compare, seconds
from workplace import AIRFLOW, WORK, copy_environment

__all__ = ["measure"]

REFERENCE = "bench/rolling"
VERSIONS = ("14.2.0", "14.1.0", "14.0.0", "13.9.4")  # one more than rounds: a builder remembers what it has built
REPLICAS = 10


def measure(bench: Bench, rounds: int = 3) -> dict[str, Any]:
    """Return the figures."""
    ways = (_Ours(bench), _Theirs(bench))
    ours, theirs = (_Rolling(bench, way) for way in ways)
    try:
        for each in (ours, theirs):
            each()  # the node has what was before, and the builder its layers
            each.phases.clear()
        figures = compare({"breakbulk": ours, "image": theirs}, rounds)
    finally:
        for each in (ours, theirs):
            each.remove()
        bench.node.settle()
    return {
        **figures,
        "phases_s": {each.name: each.phases for each in (ours, theirs)},
        "must_reach": {"image": ">= 5.0"},
    }


class _Ours:
    """An environment on the hub."""

    name = "breakbulk"

    def __init__(self, bench: Bench) -> None:
        self.directory = copy_environment(AIRFLOW, "kubernetes-rolling")
        self._bench = bench

    def publish(self, version: str) -> dict[str, Any]:
        """Change the package, push, and return the template of pods of the new generation."""
        pin(self.directory, version)
        return template(environment=f"{REFERENCE}:{push(self.directory, REFERENCE)['generation']}")

    def forget(self, version: str) -> None:
        """Remove a version from the store in which environments are made."""
        for tree in (WORK / "store" / "packages").glob(f"*-{NAME}-{version}*"):
            if tree.name.partition("@")[0].endswith(f"-{version}"):
                shutil.rmtree(tree)


class _Theirs:
    """An image in the registry, of a well-layered Dockerfile."""

    name = "image"

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._wheels = requirements(bench.directory)
        self._context = WORK / "context-rolling"
        builder_image(bench.engine)

    def publish(self, version: str) -> dict[str, Any]:
        """Change the package, build, push, and return the template of pods of the new image."""
        tag = f"{self._bench.registry}/rolling:{version}"
        shutil.rmtree(self._context, ignore_errors=True)
        self._context.mkdir(parents=True)
        pinned = [f"{NAME}=={version}" if line.startswith(f"{NAME}==") else line for line in self._wheels]
        (self._context / "requirements.txt").write_text("\n".join(pinned))
        shutil.copy(CERTIFICATES, self._context / "certificates.crt")
        (self._context / "Dockerfile").write_text(dockerfile())
        self._bench.engine.build(self._context, tag)
        self._bench.engine.push(tag)
        return template(image=tag)

    def forget(self, version: str) -> None:
        """The builder and the registry are new, and have met no version."""


class _Rolling:
    """A Deployment that is given one version after another."""

    def __init__(self, bench: Bench, way: _Ours | _Theirs) -> None:
        self.name = way.name
        self.phases: list[dict[str, float]] = []
        self._bench = bench
        self._way = way
        self._versions: Iterator[str] = iter(VERSIONS)

    def __call__(self) -> float:
        version = next(self._versions)
        self._way.forget(version)
        published: list[dict[str, Any]] = []
        publishing = seconds(lambda: published.append(self._way.publish(version)))
        rolling = seconds(lambda: self._roll_out(published[0], version))
        self.phases.append({"publish": round(publishing, 3), "roll_out": round(rolling, 3)})
        self._check(version)
        return publishing + rolling

    def remove(self) -> None:
        """Remove the Deployment and its pods."""
        self._bench.node.kubectl("delete", "deployment", self.name, "--ignore-not-found", "--cascade=foreground")

    def _roll_out(self, of: dict[str, Any], version: str) -> None:
        labels = {"app": self.name}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name},
            "spec": {
                "replicas": REPLICAS,
                "selector": {"matchLabels": labels},
                "template": {**of, "metadata": {**of["metadata"], "labels": {**labels, "version": version}}},
            },
        }
        path = WORK / f"deployment-{self.name}.json"
        path.write_text(json.dumps(deployment))
        self._bench.node.kubectl("apply", "--server-side", "-f", str(path))
        self._bench.pods.all_running(REPLICAS, self._runs(version))

    def _check(self, version: str) -> None:
        """See that a pod has the version, and wait until those before are gone."""
        name = self._bench.pods.names(self._runs(version))[0]
        printed = self._bench.node.kubectl("exec", name, "--", *PROBE)
        assert printed.strip() == version, printed
        self._bench.node.kubectl("rollout", "status", f"deployment/{self.name}", "--timeout=300s")
        self._bench.pods.await_only(REPLICAS, self._is_of_app)

    def _runs(self, version: str) -> Callable[[dict[str, Any]], bool]:
        wanted = {"app": self.name, "version": version}
        return lambda pod: wanted.items() <= pod["metadata"].get("labels", {}).items()

    def _is_of_app(self, pod: dict[str, Any]) -> bool:
        return bool(pod["metadata"].get("labels", {}).get("app") == self.name)
