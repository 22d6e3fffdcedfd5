"""The composed stack of the document: three environments of Airflow over three of what it needs, with its overrides.

The includes and `install.airflow` are as printed. Of the rest the text says what there is (services, helper functions,
"CeleryExecutor, 200 DB connections, 1GB Redis"), and the fixtures have keys for it. Here composed from directories, in
`tests/cli/commands/test_stack.py` from a hub.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from breakbulk.errors import ManifestError
from breakbulk.manifest.composition import Composed, compose, refuse_overrides
from breakbulk.manifest.explaining import explain_keys
from breakbulk.manifest.reading import read_manifest
from breakbulk.manifest.schema import CatalogInstall

STACK = Path(__file__).parent / "seeds" / "stack"

TABLE = {
    "vars.AIRFLOW__CORE__EXECUTOR": (
        "CeleryExecutor",
        [("airflow-local-dev", "LocalExecutor"), ("airflow-k8s-executor", "KubernetesExecutor")],
    ),
    "vars.POSTGRES_MAX_CONNECTIONS": ("200", [("airflow-local-dev/postgres-headless", "100")]),
    "vars.REDIS_MAXMEMORY": ("1gb", [("airflow-local-dev/redis-headless", "256mb")]),
}
"""Each override of the stack itself: the value that counts, and what it replaced, oldest first."""


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Return the manifest of the stack with everything in directories beside it."""
    shutil.copytree(STACK, tmp_path, dirs_exist_ok=True)
    for manifest in tmp_path.glob("*/breakbulk.toml"):
        text = re.sub(r'remote = "barstoolbluz/([^"]+)"', r'dir = "../\1"', manifest.read_text())
        manifest.write_text(text)
    return tmp_path / "airflow-stack" / "breakbulk.toml"


@pytest.fixture
def composed(stack: Path) -> Composed:
    return compose(stack)


def test_what_is_printed_is_in_the_fixtures() -> None:
    for name in ("airflow-local-dev", "airflow-k8s-executor", "airflow-stack"):
        printed, ours = read_manifest(STACK.parent / f"{name}.toml"), read_manifest(STACK / name / "breakbulk.toml")
        assert (ours.install, ours.include) == (printed.install, printed.include)


def test_the_values_that_count(composed: Composed) -> None:
    assert {key: composed.manifest.vars[key.removeprefix("vars.")] for key in TABLE} == {
        key: value for key, (value, _) in TABLE.items()
    }
    assert composed.manifest.install["airflow"] == CatalogInstall(pkg_path="barstoolbluz/airflow-full-3-1-1")


def test_the_table_of_overrides(composed: Composed) -> None:
    assert [(each.key, each.of, each.by) for each in composed.warnings] == [
        ("install.airflow", ("airflow-local-dev",), "airflow-k8s-executor"),
        ("vars.AIRFLOW__CORE__EXECUTOR", ("airflow-local-dev",), "airflow-k8s-executor"),
        ("vars.AIRFLOW__CORE__EXECUTOR", ("airflow-k8s-executor",), "Current manifest"),
        ("vars.POSTGRES_MAX_CONNECTIONS", ("airflow-local-dev/postgres-headless",), "Current manifest"),
        ("vars.REDIS_MAXMEMORY", ("airflow-local-dev/redis-headless",), "Current manifest"),
    ]


@pytest.mark.parametrize("key", TABLE)
def test_every_override_is_explained(composed: Composed, stack: Path, key: str) -> None:
    [entry] = explain_keys(composed, key)
    value, replaced = TABLE[key]
    assert [(source.manifest, source.value) for source in entry.sources] == [("Current manifest", value)]
    assert entry.sources[0].place.startswith(f"{stack}:")
    assert [(source.manifest, source.value) for source in entry.replaced] == replaced
    assert all(Path(source.place.rpartition(":")[0]).is_file() for source in entry.replaced)


def test_the_features_of_all_are_there(composed: Composed) -> None:
    manifest = composed.manifest
    assert set(manifest.services) == {"postgres", "redis", "webserver", "scheduler", "worker", "kind"}
    assert set(manifest.install) == {"postgresql", "redis", "airflow", "kubectl"}
    assert manifest.profile.common is not None
    functions = ["k8s-airflow-info", "k8s-test-pod", "enterprise-info"]
    assert re.findall(r"^([a-z0-9-]+)\(\)", manifest.profile.common, re.MULTILINE) == functions
    assert composed.provenance["profile.common"] == ("airflow-k8s-executor", "Current manifest")


def test_hooks_run_from_what_is_included_to_what_includes(composed: Composed) -> None:
    assert composed.provenance["hook.on-activate"] == (
        "airflow-local-dev/postgres-headless",
        "airflow-local-dev/redis-headless",
        "airflow-local-dev",
        "airflow-k8s-executor",
    )
    lines = (composed.manifest.hook.on_activate or "").splitlines()
    assert [line.split()[0] for line in lines if line] == ["test", "mkdir", "airflow", "airflow", "mkdir", "write-rbac"]


def test_strictly_the_stack_says_what_it_means(stack: Path) -> None:
    with pytest.raises(ManifestError, match="override-not-allowed") as caught:
        refuse_overrides(compose(stack))
    assert all(key in (caught.value.why or "") for key in TABLE)
    stack.write_text(f"remove = {[*TABLE]}\n{stack.read_text()}")
    composed = compose(stack)
    assert {warning.by for warning in composed.warnings} == {"airflow-k8s-executor"}
    assert all(composed.manifest.vars[key.removeprefix("vars.")] == value for key, (value, _) in TABLE.items())
