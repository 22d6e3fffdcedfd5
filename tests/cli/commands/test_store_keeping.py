"""`breakbulk store gc`, `pin`, `unpin`, `roots`."""

import os
from pathlib import Path

import pytest

MANIFEST = """\
[install]
tool = { path = "./tool" }
[options]
base = "none"
systems = ["x86_64-linux", "aarch64-linux"]
"""


@pytest.fixture
def source(project: Path) -> Path:
    (project / "tool").mkdir()
    (project / "tool" / "data").write_text("x" * 1000)
    (project / "breakbulk.toml").write_text(MANIFEST)
    return project


def test_what_a_project_needs_is_explained_kept_and_removed_with_it(call, source) -> None:
    assert call("realise").code == 0
    [root] = call("store", "roots", "--json").document["roots"]
    assert (root["kind"], root["name"], root["gone"]) == ("project", str(source / "breakbulk.lock"), False)
    assert str(source / "breakbulk.lock") in call("store", "gc", "--explain", "tool").out
    assert call("store", "gc", "--json").document["removed"] == []
    (source / "breakbulk.lock").unlink()
    planned = call("store", "gc", "--dry-run", "--json").document
    assert planned["size_bytes"] >= 1000
    assert call("store", "list", "--json").document["packages"]
    done = call("store", "gc", "--json").document
    assert {**done, "dry_run": True} == planned
    assert call("store", "list", "--json").document["packages"] == []
    assert call("store", "gc", "--explain", "tool").code == 72


def test_a_pin_outlives_its_project(call, source) -> None:
    assert call("store", "pin", ".", "--name", "release").code == 0
    (source / "breakbulk.lock").unlink()
    assert call("store", "gc", "--json").document["removed"] == []
    assert "pin release" in call("store", "gc", "--explain", "tool").out
    assert call("store", "unpin", "release").code == 0
    assert call("store", "gc", "--json").document["removed"]
    unknown = call("store", "unpin", "release")
    assert unknown.code == 72
    assert "pin-unknown" in unknown.err
    assert call("store", "pin", ".", "--name", "../climbs").code == 2


def test_a_damaged_lock_ends_with_a_status_that_scripts_see(call, source) -> None:
    call("realise")
    (source / "breakbulk.lock").write_text("damaged")
    refused = call("store", "gc")
    assert refused.code == 1
    assert str(source / "breakbulk.lock") in refused.err


def test_a_size_that_is_none_is_refused(call, source) -> None:
    assert call("store", "gc", "--free", "lots").code == 2
    assert call("store", "gc", "--free", "1.5GiB").code == 0


def test_caches_are_cleared_of_what_can_be_had_again(call, source, tmp_path: Path) -> None:
    old, young = tmp_path / "cache" / "hub" / "objects" / "old", tmp_path / "cache" / "partial" / "young"
    for path in (old, young):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    os.utime(old, (0, 0))
    assert call("store", "gc", "--json").document["caches"] is None
    planned = call("store", "gc", "--caches", "--dry-run", "--json").document["caches"]
    assert (planned, old.exists()) == ({"files": 1, "size_bytes": 1000}, True)
    assert "1 file of caches removed" in call("store", "gc", "--caches").out
    assert (old.exists(), young.exists()) == (False, True)
    assert call("store", "gc", "--caches", "--older", "long").code == 2


def test_what_caches_give_need_not_come_from_the_store(call, source, tmp_path: Path) -> None:
    call("realise")
    (source / "breakbulk.lock").unlink()
    cached = tmp_path / "cache" / "hub" / "objects" / "old"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"x" * 1000)
    os.utime(cached, (0, 0))
    assert call("store", "gc", "--caches", "--free", "1000", "--dry-run", "--json").document["removed"] == []
    assert call("store", "gc", "--free", "1000", "--json").document["removed"]


def test_what_changed_in_the_store_is_named_and_mended(call, source, tmp_path: Path) -> None:
    call("realise")
    well = call("store", "verify")
    assert (well.code, well.out.splitlines()[-1][-11:]) == (0, "all is well")
    [data] = (tmp_path / "store" / "packages").glob("*-tool-*/opt/tool/data")
    data.unlink()
    found = call("store", "verify", "tool", "--json")
    assert found.code == 69
    [damaged] = found.document["damaged"]
    assert damaged["differences"] == [{"path": "opt/tool/data", "how": "missing", "why": ""}]
    assert call("store", "verify", "base").code == 0
    assert call("store", "verify", "nothing").code == 72
    assert call("store", "verify", "--repair").code == 0
    assert data.read_text() == "x" * 1000
