"""The library as a program uses it; the command line is tested on top of it."""

import json
from dataclasses import replace

import pytest

import breakbulk
from breakbulk import BreakbulkError, Environment
from breakbulk.errors import ConflictError, LockError, NotFoundError

MANIFEST = """
[install]
tool = { path = "./tool" }
[options]
base = "none"
systems = ["x86_64-linux", "aarch64-linux"]
"""


@pytest.fixture
def project(tmp_path):
    """An environment of own source only: locking needs no network."""
    directory = tmp_path / "project"
    (directory / "tool").mkdir(parents=True)
    (directory / "tool" / "data.txt").write_text("one\n")
    (directory / "breakbulk.toml").write_text(MANIFEST)
    return directory


def environment(project, settings, **options) -> Environment:
    return Environment.open(project, replace(settings, cache=project.parent / "cache"), **options)


def test_every_public_name_can_be_imported() -> None:
    for name in breakbulk.__all__:
        assert getattr(breakbulk, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = breakbulk.nothing


def test_locking_twice_gives_the_same_bytes_and_changes_nothing(project, settings) -> None:
    assert environment(project, settings).relock().changed
    data = (project / "breakbulk.lock").read_bytes()
    assert not environment(project, settings).relock().changed
    (project / "breakbulk.lock").unlink()
    environment(project, settings).relock()
    assert (project / "breakbulk.lock").read_bytes() == data


def test_a_changed_source_is_seen_and_locked_again(project, settings) -> None:
    before = environment(project, settings).relock().lock
    (project / "tool" / "data.txt").write_text("two\n")
    opened = environment(project, settings)
    assert opened.outdated(opened.read_lock()) == "the source of tool has changed"
    after = opened.relock()
    assert after.lock != before
    assert [change.package.name for change in after.difference.changed] == ["tool"]


def test_a_frozen_environment_never_locks(project, settings) -> None:
    with pytest.raises(LockError) as refused:
        environment(project, settings, frozen=True).current_lock()
    assert refused.value.reference == "lock-outdated"
    assert not (project / "breakbulk.lock").exists()


def test_a_lock_edited_by_hand_is_refused_and_mended(project, settings) -> None:
    environment(project, settings).relock()
    path = project / "breakbulk.lock"
    original = path.read_bytes()
    path.write_bytes(original.replace(b'"size": ', b'"size": 1'))
    with pytest.raises(LockError) as refused:
        environment(project, settings).current_lock()
    assert refused.value.reference == "lock-edited"
    assert environment(project, settings).relock().changed
    assert path.read_bytes() == original


def test_two_packages_that_own_one_path_are_refused_when_they_are_locked(project, settings) -> None:
    (project / "other").mkdir()
    (project / "other" / "data.txt").write_text("another\n")
    both = MANIFEST.replace(
        'tool = { path = "./tool" }',
        'tool = { path = "./tool", destination = "/srv" }\nother = { path = "./other", destination = "/srv" }',
    )
    (project / "breakbulk.toml").write_text(both)
    with pytest.raises(ConflictError) as refused:
        environment(project, settings).relock()
    assert "source:tool" in str(refused.value)
    assert "source:other" in str(refused.value)
    assert refused.value.where == "/srv/data.txt"
    assert not (project / "breakbulk.lock").exists()
    (project / "breakbulk.toml").write_text(both.replace('"./other",', '"./other", priority = 4,'))
    assert environment(project, settings).relock().changed


def test_no_manifest_is_an_error_with_the_way_out(tmp_path, settings) -> None:
    with pytest.raises(NotFoundError) as refused:
        Environment.open(tmp_path, settings)
    assert "breakbulk init" in str(refused.value.hint)


def test_an_error_is_one_document() -> None:
    error = BreakbulkError("it broke", where="here", hint="mend it")
    assert json.loads(json.dumps(error.as_dict())) == {
        "error": "error",
        "exit_code": 1,
        "retryable": False,
        "what": "it broke",
        "where": "here",
        "hint": "mend it",
    }
