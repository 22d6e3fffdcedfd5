"""kill -9 at each moment of a push and of a pull: the hub is consistent, and the next one completes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.opening import open_hub
from breakbulk.settings import Settings

PUSH = [
    ("push-planned", 1),
    ("package-prepared", 1),
    ("package-prepared", 3),
    ("package-sent", 1),
    ("package-sent", 3),
    ("pointer-written", 1),
    ("pointer-written", 3),
    ("object-sent", 1),
    ("object-sent", 5),
    ("objects-settled", 1),
    ("change-recorded", 1),
]
PULL = [("pull-fetched", 1), ("pull-file-written", 1), ("pull-file-written", 2), ("pull-written", 1)]
PACKAGES = 4


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of several sources, so that there is something between the first and the last."""
    directory = tmp_path / "project"
    lines = ["[install]"]
    for number in range(PACKAGES):
        (directory / f"p{number}").mkdir(parents=True)
        (directory / f"p{number}" / "data").write_bytes(os.urandom(100_000))
        lines.append(f'p{number} = {{ path = "./p{number}" }}')
    lines += ["[options]", 'base = "none"', 'systems = ["x86_64-linux", "aarch64-linux"]']
    (directory / "breakbulk.toml").write_text("\n".join(lines) + "\n")
    return directory


def variables(tmp_path: Path, machine: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "BREAKBULK_STORE": str(tmp_path / machine / "store"),
        "BREAKBULK_CACHE": str(tmp_path / machine / "cache"),
        "BREAKBULK_CONFIGURATION": str(tmp_path / machine / "configuration"),
        "BREAKBULK_HUB": str(tmp_path / "hub"),
        "BREAKBULK_DOWNLOADS": "1",
    }


def started(tmp_path: Path, machine: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(Path(__file__).parent / "pushing.py"), *map(str, words)]
    return subprocess.run(
        program, env=variables(tmp_path, machine), capture_output=True, text=True, timeout=60, check=False
    )


def outcome(finished: subprocess.CompletedProcess[str]) -> list[int]:
    """Return generation, whether it is new, packages prepared, bytes sent."""
    assert finished.returncode == 0, finished.stderr
    return [int(word) for word in finished.stdout.split()]


def generations(tmp_path: Path) -> int:
    """Return how many generations there are, having seen that each has all that it names."""
    hub = open_hub(Settings.load(variables(tmp_path, "checking")))
    if not hub.last_number("ada/tool"):
        return 0
    history = hub.history("ada/tool")
    for recorded in history:
        _check_whole(hub, recorded.change)
    return history[-1].change.generations


def _check_whole(hub: Hub, change) -> None:
    assert hub.lock(change).systems.keys() == {"x86_64-linux", "aarch64-linux"}
    hub.blob(change.manifest)
    named = [*change.archives]
    for system in change.prepared:
        named += [package.blob for package in hub.prepared(change, system).packages.values()]
    assert len(named) == 2 * PACKAGES
    for blob in named:
        stat = hub.objects.stat(object_key(blob.sha256))
        assert stat is not None
        assert stat.size == blob.size


@pytest.mark.integration
@pytest.mark.parametrize(("milestone", "number"), PUSH)
def test_a_push_killed_anywhere_leaves_the_hub_consistent(
    tmp_path: Path, project: Path, milestone: str, number: int
) -> None:
    killed = started(tmp_path, "here", "push", project, milestone, str(number))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    there = generations(tmp_path)
    assert there == (milestone == "change-recorded")
    pointers = [path for path in (tmp_path / "hub").glob("prepared/*/*") if path.is_file()]
    generation, new, made, _ = outcome(started(tmp_path, "here", "push", project))
    assert (generation, new) == (1, not there)
    assert made == PACKAGES - len(pointers)
    assert generations(tmp_path) == 1
    assert outcome(started(tmp_path, "here", "push", project))[1:] == [0, 0, 0]
    assert not list((tmp_path / "here" / "cache").glob("push/.scratch-*"))


@pytest.mark.integration
@pytest.mark.parametrize(("milestone", "number"), PULL)
def test_a_pull_killed_anywhere_is_completed_by_the_next(
    tmp_path: Path, project: Path, milestone: str, number: int
) -> None:
    outcome(started(tmp_path, "here", "push", project))
    place = tmp_path / "pulled"
    killed = started(tmp_path, "there", "pull", place, milestone, str(number))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert started(tmp_path, "there", "pull", place).returncode == 0
    names = {path.name for path in place.iterdir()}
    assert names == {"breakbulk.toml", "breakbulk.lock", ".breakbulk"}
    assert (place / "breakbulk.lock").read_bytes() == (project / "breakbulk.lock").read_bytes()
    assert len(list((tmp_path / "there" / "store" / "packages").glob("*-p?-*"))) == PACKAGES
