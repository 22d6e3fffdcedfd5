"""The composed stack of `tests/manifest/seeds/stack` from a hub: every layer pushed, the top one composed of names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changes import locked, push

from breakbulk.hub.hub import Hub
from breakbulk.manifest.composition import compose
from breakbulk.manifest.reading import from_builtins, to_builtins
from breakbulk.manifest.schema import IncludedRemote, Manifest

Call = Callable[..., Any]
STACK = Path(__file__).parents[2] / "manifest" / "seeds" / "stack"
LAYERS = ("postgres-headless", "redis-headless", "kind-headless", "airflow-local-dev", "airflow-k8s-executor")


@pytest.fixture
def stack(hub: Hub, project: Path) -> Path:
    """Push each environment that is included, as composed of those before it; return the directory of the stack."""
    pushed: dict[str, dict[str, Any]] = {}

    def resolve(included: IncludedRemote) -> Manifest:
        return from_builtins(pushed[included.remote])

    for name in LAYERS:
        pushed[f"barstoolbluz/{name}"] = to_builtins(compose(STACK / name / "breakbulk.toml", resolve=resolve).manifest)
        push(hub, environment=f"barstoolbluz/{name}", lock=locked(**pushed[f"barstoolbluz/{name}"]))
    (project / "breakbulk.toml").write_text((STACK / "airflow-stack" / "breakbulk.toml").read_text())
    return project


@pytest.mark.parametrize(
    ("key", "value", "replaced"),
    [
        (
            "vars.AIRFLOW__CORE__EXECUTOR",
            "CeleryExecutor",
            [("airflow-local-dev", "LocalExecutor"), ("airflow-k8s-executor", "KubernetesExecutor")],
        ),
        ("vars.POSTGRES_MAX_CONNECTIONS", "200", [("airflow-local-dev", "100")]),
        ("vars.REDIS_MAXMEMORY", "1gb", [("airflow-local-dev", "256mb")]),
    ],
)
def test_overrides_of_what_a_hub_has_are_explained(
    call: Call, stack: Path, key: str, value: str, replaced: list[tuple[str, str]]
) -> None:
    [entry] = call("explain", key, "--json").document["keys"]
    assert [(source["manifest"], source["value"]) for source in entry["sources"]] == [("Current manifest", value)]
    assert entry["sources"][0]["place"].startswith(str(stack / "breakbulk.toml"))
    assert [(source["manifest"], source["value"]) for source in entry["replaced"]] == replaced


def test_the_whole_stack_comes_from_the_hub(call: Call, stack: Path) -> None:
    keys = {key["key"]: key for key in call("explain", "--json").document["keys"]}
    services = {key for key in keys if key.startswith("services.")}
    assert services == {
        f"services.{each}" for each in ("postgres", "redis", "webserver", "scheduler", "worker", "kind")
    }
    assert [source["manifest"] for source in keys["profile.common"]["sources"]] == [
        "airflow-k8s-executor",
        "Current manifest",
    ]
    assert "CeleryExecutor" in call("explain", "vars.AIRFLOW__CORE__EXECUTOR").out


def test_strictly_each_override_is_an_error_with_both_places(call: Call, stack: Path) -> None:
    document = call("lock", "--strict", "--json").document
    assert document["error"] == "override-not-allowed"
    assert "vars.REDIS_MAXMEMORY of airflow-local-dev is overridden by Current manifest" in document["why"]
