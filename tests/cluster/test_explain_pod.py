"""`breakbulk explain pod` on a real cluster, of pods that are broken in one way each."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from running_cluster import RunningCluster, pause_pod

from breakbulk.cli.main import main

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
Explain = Callable[[str], Object]


def _namespace(name: str, **labels: str) -> Object:
    prefixed = {key.replace("_", "-"): value for key, value in labels.items()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": prefixed}}


def _replicas(name: str, namespace: str = "default", **more: Any) -> Object:
    """A ReplicaSet of one pod, as those that admission refuses are only known by what makes them."""
    pod = pause_pod(name, **more)
    selector = {"matchLabels": {"app": name}}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": selector, "template": {"metadata": pod["metadata"], "spec": pod["spec"]}},
    }


def _container(name: str, pod: Object | None = None, **more: Any) -> Object:
    found = pod or pause_pod(name)
    found["spec"]["containers"][0].update(more)
    return found


def _imageless(name: str, environment: str, runtime_class: str = "breakbulk") -> Object:
    found = _container(name, pause_pod(name, runtimeClassName=runtime_class), image="docker.io/breakbulk/empty:1")
    found["metadata"]["annotations"] = {"breakbulk.dev/environment": environment}
    return found


_QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "none", "namespace": "full"},
    "spec": {"hard": {"pods": "0"}},
}
_ABSENT = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "absent"},
    "handler": "absent",
}
_BROKEN: list[tuple[Object, str, str]] = [
    (_replicas("no-class", runtimeClassName="nothing"), "admitted", "runtime-class-missing"),
    (_replicas("no-quota", "full"), "admitted", "quota-exceeded"),
    (_replicas("insecure", "strict"), "admitted", "pod-security-refused"),
    (pause_pod("nowhere", nodeSelector={"disk": "none"}), "scheduled", "no-node-matches"),
    (_container("huge", resources={"requests": {"cpu": "4000"}}), "scheduled", "resources-insufficient"),
    (_imageless("no-runtime", "ada/tickets", "absent"), "node prepared", "runtime-not-configured"),
    (_imageless("no-environment", "ada/never-pushed"), "environment realised", "environment-unknown"),
    (
        _container(
            "no-volume",
            pause_pod("no-volume", volumes=[{"name": "v", "configMap": {"name": "absent"}}]),
            volumeMounts=[{"name": "v", "mountPath": "/v"}],
        ),
        "volumes mounted",
        "config-map-missing",
    ),
    (_container("never", image="docker.io/example/none:1"), "containers started", "image-missing"),
    (
        _container("no-image", image="127.0.0.1:1/none:1", imagePullPolicy="Always"),
        "containers started",
        "image-not-pulled",
    ),
    (_container("no-command", command=["nothing-of-this-name"]), "containers started", "command-not-found"),
    (
        _container("no-secret", env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "a"}}}]),
        "containers started",
        "secret-missing",
    ),
    (
        _container("root", securityContext={"runAsNonRoot": True, "runAsUser": 0}),
        "containers started",
        "must-not-be-root",
    ),
    (
        _container("deaf", readinessProbe={"tcpSocket": {"port": 1}, "periodSeconds": 1}),
        "ready",
        "readiness-probe-failing",
    ),
]


@pytest.fixture(scope="module")
def broken(cluster: RunningCluster) -> RunningCluster:
    """The cluster with all of them at once, as most take some seconds to fail."""
    strict = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict"}}
    strict["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(_namespace("full"), strict, _QUOTA, _ABSENT, *(found for found, _, _ in _BROKEN))
    return cluster


@pytest.fixture
def explain(broken: RunningCluster, capfd: pytest.CaptureFixture[str]) -> Explain:
    def ask(name: str) -> Object:
        capfd.readouterr()
        main(["explain", "pod", name, "--kubeconfig", str(broken.kubeconfig), "--json"])
        document: Object = json.loads(capfd.readouterr().out)
        return document

    return ask


@pytest.mark.parametrize(
    ("found", "step", "identifier"), _BROKEN, ids=[found["metadata"]["name"] for found, _, _ in _BROKEN]
)
def test_a_pod_that_is_broken_in_one_way_is_explained(
    broken: RunningCluster, explain: Explain, found: Object, step: str, identifier: str
) -> None:
    name = f"{found['metadata'].get('namespace', 'default')}/{found['metadata']['name']}"
    last: list[Any] = []

    def explained() -> bool:
        document = explain(name)
        stuck = next((each for each in document.get("steps", ()) if each["state"] != "done"), {})
        last[:] = [document]
        return (document.get("stuck_at"), stuck.get("cause", {}).get("identifier")) == (step, identifier)

    try:
        broken.wait_for(explained, timeout_s=90, what=name)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{json.dumps(last, indent=1)}") from None
    stuck = next(each for each in last[0]["steps"] if each["state"] != "done")
    assert stuck["cause"]["fix"]


def test_a_pod_that_runs_has_nothing_to_mend(cluster: RunningCluster, explain: Explain) -> None:
    cluster.apply(pause_pod("well"))
    cluster.wait_for(lambda: explain("default/well").get("running"), what="default/well")
    assert explain("well")["stuck_at"] is None
