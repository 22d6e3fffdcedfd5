"""Realisations that are interrupted, terminated, killed, or two hundred at once."""

import json
import signal
import sys
import threading
import time
from pathlib import Path

import fault_world
import pytest
from fault_world import Stalled, World

DRIVERS = Path(__file__).parent / "support"
AS_SEEN = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 128 + signal.SIGTERM}
"""How the process ends: by Control-C's signal, so that a loop around it stops; after SIGTERM with its code."""
MOMENTS = [
    ("store-prepared", 1),
    ("staging-swept", 1),
    ("claims-taken", 1),
    ("bytes-arrived", 1),
    ("bytes-arrived", 9),
    ("archive-verified", 1),
    ("archive-verified", 4),
    ("archive-fetched", 1),
    ("archive-fetched", 5),
    ("stage-made", 1),
    ("stage-made", 4),
    ("tree-unpacked", 1),
    ("tree-unpacked", 6),
    ("record-written", 1),
    ("record-written", 4),
    ("group-synced", 1),
    ("archive-removed", 2),
    ("record-named", 3),
    ("tree-named", 1),
    ("tree-named", 6),
    ("claims-released", 1),
    ("composition-written", 1),
]


HANGING_PROJECT = """
[build-system]
requires = []
build-backend = "back_end"
backend-path = ["."]
"""
HANGING_BACK_END = """
import base64, hashlib, os, subprocess, zipfile
from pathlib import Path
root = Path(os.environ["BREAKBULK_CACHE"]).parent
def digest(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode() + f",{len(data)}"
def build_wheel(directory, config_settings=None, metadata_directory=None):
    if (root / "build").read_text():
        subprocess.Popen(["sleep", "100"], process_group=0)
        (root / "building").touch()
        subprocess.run(["sleep", "100"])
    with zipfile.ZipFile(os.path.join(directory, "app-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("app-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: app\\nVersion: 1.0\\n")
        wheel.writestr("app-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        record = "".join(f"{name},{digest(wheel.read(name))}\\n" for name in wheel.namelist())
        wheel.writestr("app-1.0.dist-info/RECORD", record + "app-1.0.dist-info/RECORD,,\\n")
    return "app-1.0-py3-none-any.whl"
"""


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")], ids=["INT", "TERM"]
)
def test_a_signal_in_the_middle_of_realising(world: World, number: int, error: str) -> None:
    world.locked("deb:words", "deb:part1")
    stalled = world.site.faults["words_1.0"] = Stalled()
    with world.start("realise", "--json") as started:
        assert stalled.reached.wait(30)
        started.send_signal(number)
        printed, said = started.communicate(timeout=30)
    stalled.go_on()
    assert json.loads(printed)["error"] == error, said
    assert started.returncode == AS_SEEN[number]
    assert fault_world.documented_errors()[error] == 128 + number
    world.assert_tidy()
    world.site.faults.clear()
    world.completes("words", "part1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
@pytest.mark.parametrize("part", ["Packages", "simple/phrase"])
def test_a_signal_in_the_middle_of_locking(world: World, part: str, number: int) -> None:
    world.manifest("pypi:greeting")
    stalled = world.site.faults[part] = Stalled()
    with world.start("lock", "--json") as started:
        assert stalled.reached.wait(30)
        began = time.monotonic()
        started.send_signal(number)
        printed, said = started.communicate(timeout=30)
    stalled.go_on()
    assert time.monotonic() - began < 3, "it waits for the mirror, which has 5 s"
    assert started.returncode == AS_SEEN[number], printed + said
    assert not world.lock.exists()
    world.assert_tidy()
    world.site.faults.clear()
    world.document("lock")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_a_signal_in_the_middle_of_building_an_own_source(world: World, number: int, again: bool) -> None:
    own_source(world)
    if again:
        world.document("lock")
        change_source(world)
    end_while_building(world, number, "lock", "--json")
    assert world.lock.exists() == again
    world.document("lock")


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_a_signal_in_the_middle_of_building_for_a_run(world: World, number: int) -> None:
    own_source(world)
    command = ("run", "python3", "-c", "print(1)")
    assert world.call(*command) == world.call(*command) == "1\n"
    change_source(world)
    end_while_building(world, number, *command)
    assert world.call(*command) == "1\n"


def own_source(world: World) -> None:
    """Write a manifest with a project of the user's, beside the environment."""
    world.manifest(extra='app.path = "../app"')
    (world.root / "app").mkdir()
    (world.root / "app/pyproject.toml").write_text(HANGING_PROJECT)
    (world.root / "app/back_end.py").write_text(HANGING_BACK_END)
    (world.root / "build").touch()


def change_source(world: World) -> None:
    """Change the project, so that it is built again."""
    (world.root / "app/more.py").touch()


def end_while_building(world: World, number: int, *argv: str) -> None:
    """Start a call, send it a signal when the build hangs, and expect that nothing is left of it."""
    (world.root / "build").write_text("hang")
    with world.start(*argv) as started:
        deadline = time.monotonic() + 30
        while not (world.root / "building").exists():
            assert started.poll() is None, started.communicate()
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
        started.send_signal(number)
        printed, said = started.communicate(timeout=30)
    assert started.returncode == AS_SEEN[number], printed + said
    assert "Traceback" not in said
    assert [left for left in (world.cache / "source").rglob(".*") if left.is_dir()] == []
    assert [left.name for left in (world.store / "archives").iterdir() if left.name.startswith(".")] == []
    world.assert_tidy()
    (world.root / "build").write_text("")


@pytest.mark.integration
@pytest.mark.parametrize(("milestone", "number"), MOMENTS)
def test_kill_9(world: World, milestone: str, number: int) -> None:
    world.locked("deb:greet", *(f"deb:part{part}" for part in range(4)))
    world.program = (sys.executable, str(DRIVERS / "killed_program.py"), milestone, str(number))
    world.call("realise", code=-signal.SIGKILL)
    world.program = (str(fault_world.PROGRAM),)
    world.completes("greet", "words", "shell", "part0", "part3")
    assert list((world.cache / "partial").iterdir()) == []


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_kill_9_while_locking(world: World, number: int) -> None:
    world.manifest("deb:words")
    world.program = (sys.executable, str(DRIVERS / "killed_program.py"), "file-written", str(number))
    world.call("lock", code=-signal.SIGKILL)
    assert len(world.half_made()) == 1
    world.program = (str(fault_world.PROGRAM),)
    world.document("lock")
    world.assert_tidy()


@pytest.mark.integration
@pytest.mark.parametrize(("milestone", "number"), [("chunk-compiled", 1), ("chunk-compiled", 3)])
def test_kill_9_while_compiling(world: World, milestone: str, number: int) -> None:
    world.manifest("pypi:greeting")
    world.document("lock")
    world.program = (sys.executable, str(DRIVERS / "killed_program.py"), milestone, str(number))
    world.call("realise", code=-signal.SIGKILL)
    world.program = (str(fault_world.PROGRAM),)
    world.completes("greeting", "phrase")


@pytest.mark.integration
def test_two_hundred_at_once(world: World) -> None:
    directories = [world.root / f"environment{number}" for number in range(6)]
    for number, directory in enumerate(directories):
        directory.mkdir()
        world.manifest(*(f"deb:part{(number * 3 + part) % 24}" for part in range(9)), directory=directory)
        world.document("lock", "-e", str(directory))
    world.program = (sys.executable, str(DRIVERS / "many_programs.py"))
    statuses = json.loads(world.call("200", *map(str, directories)))
    assert statuses == [0] * 200
    world.assert_tidy()
    asked = [path for path in world.site.asked if "/pool/" in path]
    assert len(asked) == len(set(asked)) == 24, "each package was fetched once"
    world.program = (str(fault_world.PROGRAM),)
    for directory in directories:
        assert world.document("realise", "-e", str(directory))["made"] == 0
