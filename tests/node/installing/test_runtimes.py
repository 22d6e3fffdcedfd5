"""What our runtimes have to say, and whether containerd's answer says so."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.node.installing.runtimes import Merged, differences, lost_runtimes, tables, wanted

PROGRAM = "/usr/local/bin/breakbulk-runtime"


def merged(runtimes: dict[str, Any], version: int = 3, **more: Any) -> Merged:
    plugin = "io.containerd.cri.v1.runtime" if version >= 3 else "io.containerd.grpc.v1.cri"
    return Merged({"version": version, "plugins": {plugin: {"containerd": {"runtimes": runtimes}}}, **more})


def runc(**options: Any) -> dict[str, Any]:
    return {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True, **options}}


def test_our_runtimes_take_the_cgroup_driver_and_the_base_specification_of_runc() -> None:
    ours = wanted(merged({"runc": {**runc(), "base_runtime_spec": "/etc/cri-base.json"}}), PROGRAM)
    assert list(ours) == ["breakbulk", "flox"]
    for table in ours.values():
        assert table["options"] == {"BinaryName": PROGRAM, "SystemdCgroup": True}
        assert table["base_runtime_spec"] == "/etc/cri-base.json"
        assert "flox.dev/*" in table["pod_annotations"]
        assert "breakbulk.dev/*" in table["container_annotations"]


def test_the_default_runtime_is_the_model_where_it_is_another() -> None:
    document = merged({"runc": runc(SystemdCgroup=False), "nvidia": runc()}).document
    document["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["default_runtime_name"] = "nvidia"
    assert wanted(Merged(document), PROGRAM)["breakbulk"]["options"]["SystemdCgroup"] is True


def test_a_runtime_of_flox_itself_stays_theirs() -> None:
    theirs = {"runtime_type": "io.containerd.runc.v2", "runtime_path": "/usr/local/bin/containerd-shim-flox-v2"}
    assert list(wanted(merged({"runc": runc(), "flox": theirs}), PROGRAM)) == ["breakbulk"]
    assert list(wanted(merged({"runc": runc(), "flox": runc(BinaryName=PROGRAM)}), PROGRAM)) == ["breakbulk", "flox"]


def test_an_answer_with_everything_from_before_and_ours_is_right() -> None:
    before = merged({"runc": runc()}, root="/r", imports=["/a"])
    ours = wanted(before, PROGRAM)
    assert differences(before, merged({"runc": runc(), **ours}, root="/r", imports=["/b"]), ours, PROGRAM) == []


def test_what_is_lost_changed_or_missing_is_named() -> None:
    before = merged({"runc": runc()}, root="/r")
    ours = wanted(before, PROGRAM)
    found = differences(before, merged({"breakbulk": ours["breakbulk"]}, root="/s"), ours, PROGRAM)
    assert "plugins.io.containerd.cri.v1.runtime.containerd.runtimes.runc.runtime_type is lost" in found
    assert "root becomes '/s'" in found
    assert any(name.startswith("flox.options.BinaryName is not") for name in found)


def test_runtimes_of_others_that_are_lost_are_known() -> None:
    before = merged({"runc": runc(), "breakbulk": runc(BinaryName=PROGRAM)})
    assert lost_runtimes(before, merged({}), PROGRAM) == {"runc": runc()}


@pytest.mark.parametrize("disabled", [["cri"], ["io.containerd.grpc.v1.cri"], ["x", "io.containerd.cri.v1.runtime"]])
def test_a_plugin_that_is_switched_off_is_seen(disabled: list[str]) -> None:
    assert Merged({"disabled_plugins": disabled}).disabled
    assert not Merged({"disabled_plugins": ["io.containerd.snapshotter.v1.btrfs"]}).disabled


VALUES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(codec="utf-8"))
    | st.lists(st.text(st.characters(codec="utf-8")))
)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, min_size=1), min_size=1), st.sampled_from([2, 3]))
def test_tables_are_read_back_as_they_were(runtimes: dict[str, Any], version: int) -> None:
    plugin = "io.containerd.cri.v1.runtime" if version == 3 else "io.containerd.grpc.v1.cri"
    nested = {name: {**table, "options table": {"Key": "x"}} for name, table in runtimes.items()}
    assert tomllib.loads(tables(nested, version))["plugins"][plugin]["containerd"]["runtimes"] == nested
