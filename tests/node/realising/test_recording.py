"""What is written down of pods outlives its writers, and nothing half of it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from breakbulk.node.realising.recording import forget_record, prepare_places, recorded_uids, write_record
from breakbulk.node.records import PodRecord, ready_path, waiting_path


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_what_a_killed_writer_has_left_goes_and_what_another_writes_stays(tmp_path: Path) -> None:
    run, state = str(tmp_path / "run"), str(tmp_path / "state")
    prepare_places(run, state)
    write_record(run, state, PodRecord(uid="a", namespace="n", name="p", digests={}), ready=False)
    places = [Path(run, "pods"), Path(state, "pods"), Path(state, "plans")]
    for place in places:
        (place / f"b.json.{dead_process()}").touch()
        (place / f"c.json.{os.getpid()}").touch()
    prepare_places(run, state)
    assert [sorted(path.name for path in place.iterdir()) for place in places] == [
        ["a.json", f"c.json.{os.getpid()}"],
        ["a.json", f"c.json.{os.getpid()}"],
        [f"c.json.{os.getpid()}"],
    ]
    assert recorded_uids(run, state, 0) == ["a"]


def test_a_pod_is_ready_until_it_is_forgotten(tmp_path: Path) -> None:
    run, state = str(tmp_path / "run"), str(tmp_path / "state")
    prepare_places(run, state)
    record = PodRecord(uid="a", namespace="n", name="p", digests={})
    write_record(run, state, record, ready=False)
    assert not Path(ready_path(run, "a")).exists()
    write_record(run, state, record, ready=True)
    assert Path(ready_path(run, "a")).exists()
    Path(run, "pods", "a.json").unlink()
    Path(state, "pods", "a.json").unlink()
    assert recorded_uids(run, state, 0) == ["a"], "what a killed agent has left"
    forget_record(run, state, "a")
    assert recorded_uids(run, state, 0) == []


def test_a_file_that_goes_while_it_is_looked_at_is_passed_over(tmp_path: Path) -> None:
    """The agent lists what it has written down while pods become ready: such a file is listed, and not there."""
    run, state = str(tmp_path / "run"), str(tmp_path / "state")
    prepare_places(run, state)
    write_record(run, state, PodRecord(uid="a", namespace="n", name="p", digests={}), ready=False)
    Path(waiting_path(run, "b")).symlink_to("gone")
    assert recorded_uids(run, state, 0) == ["a"]
