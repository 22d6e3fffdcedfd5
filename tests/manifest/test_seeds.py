"""The manifests of the documents this project started from are read as they were printed, or refused with the fix.

`seeds/` holds them as they are, damaged characters in comments included.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from breakbulk.errors import ManifestError, NotFoundError
from breakbulk.manifest.composition import compose
from breakbulk.manifest.importing import from_flox
from breakbulk.manifest.reading import from_builtins, parse_manifest, read_manifest, to_builtins
from breakbulk.manifest.schema import CatalogInstall, IncludedRemote, Manifest
from breakbulk.manifest.variables import expand

SEEDS = Path(__file__).parent / "seeds"


def seed(name: str) -> Manifest:
    return read_manifest(SEEDS / f"{name}.toml")


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_printed_manifest_parses_and_survives_a_lock(path: Path) -> None:
    manifest = read_manifest(path)
    assert manifest != Manifest()
    assert from_builtins(to_builtins(manifest)) == manifest


def test_published_packages_and_included_environments() -> None:
    manifest = seed("airflow-local-dev")
    assert manifest.install == {"airflow": CatalogInstall(pkg_path="barstoolbluz/airflow-full-3-1-1")}
    assert manifest.include.environments == (
        IncludedRemote(remote="barstoolbluz/postgres-headless"),
        IncludedRemote(remote="barstoolbluz/redis-headless"),
    )


@pytest.mark.parametrize("name", ["airflow-local-dev", "airflow-k8s-executor", "airflow-stack"])
def test_environments_on_a_hub_are_asked_for_by_name(name: str) -> None:
    with pytest.raises(NotFoundError, match="barstoolbluz/") as caught:
        compose(SEEDS / f"{name}.toml")
    assert caught.value.reference == "hub-needed"


def test_the_stack_composes_once_a_hub_has_its_parts() -> None:
    hub = {f"barstoolbluz/{name}": seed(name) for name in ("airflow-local-dev", "airflow-k8s-executor")}
    parts = {"barstoolbluz/postgres-headless": "postgres", "barstoolbluz/redis-headless": "redis",
             "barstoolbluz/kind-headless": "kind"}  # fmt: skip

    def published(included: IncludedRemote) -> Manifest:
        if included.remote in parts:
            return parse_manifest(f"[services.{parts[included.remote]}]\ncommand = 'x'\n", included.remote)
        assert hub[included.remote].include.environments
        return compose(SEEDS / f"{included.remote.partition('/')[2]}.toml", resolve=published).manifest

    composed = compose(SEEDS / "airflow-stack.toml", resolve=published)
    assert set(composed.manifest.services) == {"postgres", "redis", "kind"}
    assert composed.provenance["install.airflow"] == ("airflow-k8s-executor",)
    assert [(warning.key, warning.by) for warning in composed.warnings] == [("install.airflow", "airflow-k8s-executor")]


def test_builds_keep_their_commands() -> None:
    assert set(seed("build-versions").build) == {"airflow", "airflow-kubernetes", "airflow-full"}
    assert "pip install" in seed("build-virtualenv").build["airflow-3-1-1"].command


def test_variables_of_flox_expand_where_the_activation_sets_them() -> None:
    variables = seed("webserver").vars
    assert expand(variables, {"FLOX_ENV_CACHE": "/cache"})["AIRFLOW_HOME"] == "/cache/airflow"
    with pytest.raises(ManifestError, match="FLOX_ENV_CACHE"):
        expand(variables, {})


def test_appending_tables_to_a_manifest_that_has_them_is_refused_with_the_correction() -> None:
    """The document appends with `cat >>` to the manifest of `flox init`, which has these tables already."""
    before = "version = 1\n\n[install]\n\n[vars]\n\n[hook]\n\n[services]\n"
    with pytest.raises(ManifestError) as caught:
        parse_manifest(before + (SEEDS / "webserver.toml").read_text(), ".flox/env/manifest.toml")
    assert caught.value.where == ".flox/env/manifest.toml:10"
    assert caught.value.hint is not None
    assert "move these lines below the first" in caught.value.hint


def test_what_they_build_with_has_names_in_debian(tmp_path: Path) -> None:
    flox = tmp_path / ".flox/env/manifest.toml"
    flox.parent.mkdir(parents=True)
    flox.write_text((SEEDS / "build-versions.toml").read_text())
    assert to_builtins(parse_manifest(from_flox(tmp_path), "m"))["install"] == {
        "python311": {"deb": "python3"},
        "gcc-unwrapped": {"deb": "gcc"},
    }
