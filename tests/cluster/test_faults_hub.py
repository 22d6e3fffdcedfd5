"""Hub, index, disk and users fail a real node: pods that do not start say why, and start when the cause is gone."""

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fault_gate import FREE_BYTES
from fault_node import BrokenCluster
from fault_world import dropped

pytestmark = [pytest.mark.cluster, pytest.mark.endurance]


def test_without_the_hub_what_is_here_starts_and_what_is_not_says_so(broken: BrokenCluster) -> None:
    there = broken.push("there")
    with broken.leaving_nothing():
        broken.run(broken.pod("there", "ada/there"))
        broken.wait_running("there")
        broken.push("absent")
        broken.gate.shut()
        try:
            broken.run(
                broken.pod("by-digest", there),
                broken.pod("by-generation", "ada/there:1"),
                broken.pod("absent", "ada/absent"),
            )
            broken.wait_running("by-digest", "by-generation")
            said = broken.wait_event("absent", "EnvironmentFailed", "hub-unreachable")
            assert "fix:" in said
            assert not broken.events("by-digest") or "hub-unreachable" not in json.dumps(broken.events("by-digest"))
        finally:
            broken.gate.open()
        broken.wait_running("absent")
        broken.remove("there", "by-digest", "by-generation", "absent")


def test_without_the_index_a_package_that_no_hub_has_prepared_is_told(broken: BrokenCluster) -> None:
    broken.push("indexed", installs='words = { deb = "words" }', options='suite = "stable"')
    for path in broken.objects("indexed", prepared=True):
        path.unlink()
    with broken.leaving_nothing():
        broken.archive.faults["words"] = dropped
        try:
            broken.run(broken.pod("indexed", "ada/indexed"))
            said = broken.wait_event("indexed", "EnvironmentFailed", "download-failed")
            assert "words" in said
            assert "fix:" in said
        finally:
            broken.archive.faults.clear()
        broken.wait_running("indexed")
        broken.remove("indexed")


def test_content_of_the_hub_that_was_changed_is_refused_until_it_is_repaired(broken: BrokenCluster) -> None:
    broken.push("spoiled")
    files = [*broken.objects("spoiled", prepared=True), *broken.objects("spoiled", prepared=False)]
    assert len(files) == 2
    with broken.leaving_nothing():
        with contextlib.ExitStack() as stack:
            for path in files:
                stack.enter_context(spoiled(path))
            broken.run(broken.pod("spoiled", "ada/spoiled"))
            said = broken.wait_event("spoiled", "EnvironmentFailed", "digest-mismatch")
            assert "fix:" in said
            assert "tool" in said
        broken.wait_running("spoiled")
        broken.remove("spoiled")


@contextlib.contextmanager
def spoiled(path: Path) -> Iterator[None]:
    """Have another byte in the middle of a file."""
    right = path.read_bytes()
    middle = len(right) // 2
    path.chmod(0o644)
    path.write_bytes(right[:middle] + bytes([right[middle] ^ 1]) + right[middle + 1 :])
    try:
        yield
    finally:
        path.write_bytes(right)
        path.chmod(0o444)


def test_a_disk_that_is_full_in_the_middle_is_told_and_healed_by_room(broken: BrokenCluster) -> None:
    broken.push("wide", FREE_BYTES * 3 // 4)
    filler = broken.node().breakbulk / "store" / "filler"
    with broken.leaving_nothing():
        with filled(filler, left_bytes=FREE_BYTES // 2):
            broken.run(broken.pod("wide", "ada/wide"))
            said = broken.wait_event("wide", "EnvironmentFailed", "disk-full")
            assert "fix:" in said
        broken.wait_running("wide")
        broken.remove("wide")


@contextlib.contextmanager
def filled(filler: Path, left_bytes: int) -> Iterator[None]:
    """Fill a disk until so much is left."""
    disk = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - left_bytes)
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.parametrize("grace_s", [1, 0], ids=["deleted", "forced"])
def test_a_pod_that_is_deleted_while_it_realises_ends_that(broken: BrokenCluster, grace_s: int) -> None:
    name = f"large-{grace_s}"
    broken.push(name, 4 * FREE_BYTES)
    with broken.leaving_nothing():
        broken.run(broken.pod(name, f"ada/{name}"))
        broken.wait_event(name, "EnvironmentRealising", "are here", "left")
        assert broken.children_of_agent()
        broken.remove(name, grace_s=grace_s)
        broken.wait(lambda: not broken.children_of_agent(), "the realisation ended", timeout_s=30)
        ended = datetime.now(UTC)
    told = [event for event in broken.events(name) if event["reason"].startswith("Environment")]
    assert {event["reason"] for event in told} == {"EnvironmentRealising"}
    assert all(datetime.fromisoformat(event["lastTimestamp"]) <= ended for event in told)


def test_a_pod_that_is_deleted_by_force_leaves_nothing(broken: BrokenCluster) -> None:
    with broken.leaving_nothing():
        broken.run(broken.pod("forced", "ada/web"))
        broken.wait_running("forced")
        broken.remove("forced", grace_s=0)
