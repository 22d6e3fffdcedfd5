"""However a build is ended, nothing of it runs on, nothing half-made counts, and the next one tidies up."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

DEADLINE_S = 120
RECIPE = """
[build.slow]
command = '''
mkdir -p $out
cp input.txt $out/
if [ "$(cat input.txt)" = wait ]; then
  sleep 3600 & setsid sleep 3600 &
  echo MARK; wait
fi
'''
"""


@pytest.fixture
def place(bare, tmp_path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "breakbulk.toml").write_text((bare.directory / "breakbulk.toml").read_text() + RECIPE)
    shutil.copy(bare.directory / "breakbulk.lock", directory)
    return directory


def start(place: Path, bare) -> subprocess.Popen:
    settings = bare.settings
    own = {"BREAKBULK_STORE": str(settings.store), "BREAKBULK_CACHE": str(settings.cache)}
    return subprocess.Popen(
        [sys.executable, "-m", "breakbulk", "build", "--json"],
        cwd=place,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def sleepers(directory: str) -> list[int]:
    """Return the processes whose working directory is that of a build in `directory` of this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"sleep\0003600" in (entry / "cmdline").read_bytes():
                mounts = (entry / "mountinfo").read_text()
                found += [int(entry.name)] if directory in mounts else []
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=["KILL", "TERM", "INT"])
def test_a_build_that_is_ended_leaves_nothing(place, bare, number):
    builds = bare.settings.store / "builds"
    archives = bare.settings.store / "archives"
    before = set(archives.glob("*"))
    (place / "input.txt").write_text("wait\n")
    process = start(place, bare)
    for line in process.stderr:
        if "MARK" in line:
            break
    (working,) = builds.glob(".scratch-*")
    until(lambda: len(sleepers(working.name)) == 2)
    process.send_signal(number)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode != 0
    until(lambda: not sleepers(working.name))
    assert {path for path in archives.glob("*") if not path.name.startswith(".")} == before
    assert not (place / "result-slow").is_symlink()
    assert working.exists() == (number == signal.SIGKILL)

    (place / "input.txt").write_text(f"go {number}\n")
    process = start(place, bare)
    output, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors
    assert not json.loads(output)["packages"][0]["reused"]
    assert (place / "result-slow" / "input.txt").read_text() == f"go {number}\n"
    assert list(builds.glob(".scratch-*")) == []


def test_two_processes_build_the_same_once(place, bare):
    (place / "input.txt").write_text("both\n")
    both = [start(place, bare) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=DEADLINE_S)[0])["packages"][0] for process in both]
    assert sorted(each["reused"] for each in told) == [False, True]
    assert told[0]["sha256"] == told[1]["sha256"]
