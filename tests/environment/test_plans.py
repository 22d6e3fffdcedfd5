"""A plan is used only while everything that decided it is as it was."""

import os
import time
from pathlib import Path

import pytest

from breakbulk.environment.plans import find_plan, recall, remember
from breakbulk.manifest.schema import Hook, Manifest

LONG_AGO = 1_600_000_000
CALLER = {"HOME": "/home/me", "PATH": "/bin"}


class Project:
    """A realised environment with a plan, all of whose files are old."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "project"
        self.lower = directory / "store" / "package"
        self.source = self.directory / "source"
        for made in (self.lower, self.source):
            made.mkdir(parents=True)
        self.manifest = self.directory / "breakbulk.toml"
        self.lock = self.directory / "breakbulk.lock"
        for file in (self.manifest, self.lock, self.source / "main.py"):
            file.write_text("content")
        self.wait_until_old()

    def wait_until_old(self) -> None:
        """Let the clock pass the step in which files were written, as a plan is not written within it."""
        newest = max(path.stat().st_ctime_ns for path in (self.directory, *self.directory.rglob("*")))
        while time.time_ns() < newest + 25_000_000:
            os.sched_yield()

    def remember(self) -> None:
        remember(
            self.directory,
            Manifest(vars={"X": "1"}, hook=Hook(on_activate="true")),
            [self.lower],
            read=[self.manifest, self.lock],
            trees=[self.source],
            environment=CALLER,
        )

    def recall(self, environment: dict[str, str] = CALLER):
        path = find_plan(self.directory)
        assert path is not None
        return recall(path, environment)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.remember()
    return made


def test_an_unchanged_environment_launches_from_its_plan(project) -> None:
    launch = project.recall().launch(("jq", "."), CALLER)
    assert launch.lowers == (project.lower,)
    assert launch.command == ("jq", ".")
    assert launch.manifest.vars == {"X": "1"}
    assert launch.manifest.hook.on_activate == "true"
    assert launch.project == project.directory
    assert launch.services == ()


def test_the_plan_is_found_from_below_and_only_beside_the_nearest_manifest(project) -> None:
    inner = project.directory / "a" / "b"
    inner.mkdir(parents=True)
    assert find_plan(inner) == project.directory / ".breakbulk" / "plan"
    (project.directory / "a" / "breakbulk.toml").touch()
    assert find_plan(inner) == project.directory / "a" / ".breakbulk" / "plan"


CHANGES = {
    "manifest": lambda project: project.manifest.write_text("another"),
    "same size": lambda project: project.manifest.write_text("CONTENT"),
    "lock gone": lambda project: project.lock.unlink(),
    "package collected": lambda project: project.lower.rmdir(),
    "plan damaged": lambda project: (project.directory / ".breakbulk" / "plan").write_text("{"),
    "plan writable by others": lambda project: (project.directory / ".breakbulk" / "plan").chmod(0o666),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_changes_the_plan_is_not_used(project, change) -> None:
    assert project.recall() is not None
    change(project)
    assert project.recall() is None


SOURCE_CHANGES = {
    "edited": lambda source: (source / "main.py").write_text("edited!"),
    "added": lambda source: (source / "new.py").touch(),
    "renamed": lambda source: (source / "main.py").rename(source / "other.py"),
    "removed": lambda source: (source / "main.py").unlink(),
}


@pytest.mark.parametrize("change", SOURCE_CHANGES.values(), ids=SOURCE_CHANGES.keys())
def test_a_changed_source_is_told_apart_from_everything_else(project, change) -> None:
    assert project.recall().sources_hold()
    change(project.source)
    assert not project.recall().sources_hold()


def test_times_put_back_deceive_nobody(project) -> None:
    before = project.manifest.stat()
    project.manifest.write_text("CONTENT")
    os.utime(project.manifest, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert project.recall() is None


def test_another_store_is_another_plan(project) -> None:
    assert project.recall({**CALLER, "BREAKBULK_STORE": "/elsewhere"}) is None
    assert project.recall({**CALLER, "UNRELATED": "x"}) is not None


def test_no_plan_is_written_in_the_moment_of_a_change(project) -> None:
    (project.directory / ".breakbulk" / "plan").unlink()
    now = time.time_ns()
    while time.time_ns() < now + 25_000_000:
        project.lock.write_text("just now")
    project.remember()
    assert project.recall() is None


def test_what_a_run_keeps_in_a_source_does_not_count(project) -> None:
    (project.source / ".breakbulk").mkdir()
    project.wait_until_old()
    project.remember()
    (project.source / ".breakbulk" / "cache").touch()
    assert project.recall().sources_hold()


def test_a_project_that_cannot_be_written_goes_without(project) -> None:
    (project.directory / ".breakbulk" / "plan").unlink()
    (project.directory / ".breakbulk").rmdir()
    (project.directory / ".breakbulk").touch()
    project.remember()
    assert project.recall() is None
