"""A store is collected while commands run from it: real processes, real mounts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shell_machines import Machine

pytestmark = pytest.mark.integration
MANIFEST = """\
[install]
busybox = { deb = "busybox-static" }
[options]
base = "none"
suite = "bookworm"
systems = ["x86_64-linux"]
"""
WAIT_AND_LOOK = "echo started; read line; busybox ls -R /usr/share | busybox head -n 3 && echo alive"


@pytest.fixture
def machine(tmp_path: Path, shared_cache: Path) -> Machine:
    made = Machine(tmp_path / "here", BREAKBULK_CACHE=str(shared_cache), HOME=os.environ.get("HOME", "/root"))
    (made.work / "breakbulk.toml").write_text(MANIFEST)
    made("realise")
    return made


def test_what_runs_keeps_its_packages_and_gives_them_up_when_it_ends(machine: Machine) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "breakbulk", "run", "--", "busybox", "sh", "-c", WAIT_AND_LOOK],
        cwd=machine.work, env=machine.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == "started\n"
        (machine.work / "breakbulk.lock").unlink()
        collected = machine.document("store", "gc")
        assert collected["removed"] == []
        assert len(collected["in_use"]) >= 1
        assert "in use" in machine("store", "gc", "--dry-run").stdout
    finally:
        running.stdin.write("go on\n")
        running.stdin.close()
        printed = running.stdout.read()
    running.stdout.close()
    assert running.wait(60) == 0
    assert printed.endswith("alive\n")
    assert len(machine.document("store", "gc")["removed"]) >= 1
    assert machine.document("store", "list")["packages"] == []


def test_runs_go_on_beside_collections_that_never_rest(machine: Machine) -> None:
    program = [sys.executable, "-m", "breakbulk", "store", "gc", "--json"]
    for _ in range(5):
        collecting = subprocess.Popen(program, env=machine.variables, stdout=subprocess.DEVNULL)
        assert machine("run", "--", "busybox", "echo", "ran").stdout == "ran\n"
        assert collecting.wait(60) == 0
