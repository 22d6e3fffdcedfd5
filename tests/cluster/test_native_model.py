"""Names, requests, records and drivers: what is decided before anything is started."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.cluster.addresses import allot
from breakbulk.cluster.drivers import all_names, driver, driver_for, driver_of
from breakbulk.cluster.model import (
    NAME_MAX,
    NODES_MAX,
    ComponentStatus,
    NodeStatus,
    check_name,
    node_names,
    state_of,
)
from breakbulk.cluster.native import NativeRecord
from breakbulk.cluster.places import NativePlace
from breakbulk.cluster.records import cluster_directory, read_record, write_record
from breakbulk.errors import ClusterError, NotFoundError, UsageError
from breakbulk.settings import Settings

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)

RECORD = NativeRecord(driver="native", kubernetes="v1.35.4", nodes=2, addresses=allot([]), imageless=True)


def settings_in(directory: Path) -> Settings:
    return replace(Settings.load({"HOME": str(directory)}), store=directory / "store")


@pytest.mark.parametrize("name", ["", "A", "1a", "a_b", "a-", "-a", "a/b", "..", "a" * (NAME_MAX + 1), "ä", "a\n"])
def test_a_name_that_cannot_name_a_cluster_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_name(name)
    assert raised.value.reference == "cluster-name"


@given(NAMES)
def test_what_is_derived_from_a_name_fits_where_it_is_used(name: str) -> None:
    place = NativePlace(check_name(name), Path("/state/clusters") / name)
    interfaces = [place.bridge, *map(place.cable, range(1, NODES_MAX + 1))]
    assert max(map(len, interfaces)) <= 15  # IFNAMSIZ without its zero
    assert len(set(interfaces)) == len(interfaces)
    assert len(place.chain) <= 28


@given(NAMES, NAMES)
def test_clusters_share_no_interface(one: str, other: str) -> None:
    if one == other:
        return
    places = [NativePlace(name, Path("/state") / name) for name in (one, other)]
    names = [{place.bridge, *map(place.cable, range(1, NODES_MAX + 1))} for place in places]
    assert not names[0] & names[1]


@pytest.mark.parametrize("nodes", [0, -1, NODES_MAX + 1])
def test_a_cluster_has_one_to_five_nodes(nodes: int) -> None:
    with pytest.raises(UsageError, match="1 to 5 nodes"):
        node_names("dev", nodes)


def test_nodes_are_named_after_their_cluster() -> None:
    assert node_names("dev", 2) == ("dev-1", "dev-2")


def component(state: str) -> ComponentStatus:
    return ComponentStatus(name="etcd", node="dev-1", state=state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("components", "is_ready", "state"),
    [
        (["running", "running"], True, "running"),
        (["running", "stopped"], True, "degraded"),
        (["running", "unready"], True, "degraded"),
        (["running", "running"], False, "degraded"),
        (["stopped", "stopped"], False, "stopped"),
    ],
)
def test_a_cluster_runs_when_all_of_it_does(components: list[str], is_ready: bool, state: str) -> None:
    node = NodeStatus(name="dev-1", is_ready=is_ready)
    assert state_of(tuple(map(component, components)), (node,)) == state


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / "dev", RECORD)
    assert read_record(tmp_path / "dev", NativeRecord) == RECORD
    assert (tmp_path / "dev").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "dev").iterdir()] == ["cluster.json"]


@pytest.mark.parametrize("content", ["", "{", '{"driver": "native"}', '{"driver": "native", "format": 2}'])
def test_a_damaged_record_says_how_to_be_rid_of_the_cluster(tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster.json").write_text(content)
    with pytest.raises(ClusterError) as raised:
        read_record(tmp_path, NativeRecord)
    assert raised.value.reference == "cluster-record"
    assert "cluster down" in str(raised.value.hint)


def test_a_cluster_is_kept_by_the_driver_that_made_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    write_record(cluster_directory(settings.state, "dev"), RECORD)
    assert all_names(settings) == ["dev"]
    assert driver_of("dev", settings).kind == "native"
    assert driver_for("dev", None, settings).kind == "native"
    assert driver("native", settings).names() == ["dev"]
    with pytest.raises(ClusterError) as raised:
        driver_for("dev", "kind", settings)
    assert raised.value.reference == "cluster-differs"


@pytest.mark.parametrize("left", ["", "cluster.json"])
def test_what_is_left_of_a_cluster_can_be_removed_by_its_name(tmp_path: Path, left: str) -> None:
    settings = settings_in(tmp_path)
    cluster_directory(settings.state, "dev").mkdir(parents=True)
    if left:
        (cluster_directory(settings.state, "dev") / left).write_text('{"driver": "nat')
    assert driver_of("dev", settings).kind == "native"


def test_an_unknown_cluster_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    write_record(cluster_directory(settings.state, "dev"), RECORD)
    with pytest.raises(NotFoundError, match="there are: dev") as raised:
        driver_of("test", settings)
    assert raised.value.reference == "cluster-unknown"


def test_an_unknown_driver_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="native, kind, existing"):
        driver("docker", settings_in(tmp_path))
