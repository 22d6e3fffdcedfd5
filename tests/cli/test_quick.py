"""Which command lines take the short way."""

from pathlib import Path

import pytest

from breakbulk.cli.quick import command_of, quick_run
from breakbulk.cli.start import main


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["jq", "--version"], (Path(), ("jq", "--version"))),
        (["--", "jq", "-e", "x"], (Path(), ("jq", "-e", "x"))),
        (["-e", "examples/hello", "--", "hello"], (Path("examples/hello"), ("hello",))),
        (["--environment", "d", "hello", "--", "x"], (Path("d"), ("hello", "--", "x"))),
    ],
)
def test_a_plain_command_does(words, expected) -> None:
    assert command_of(words) == expected


@pytest.mark.parametrize(
    "words",
    [[], ["--"], ["-e"], ["-e", "d"], ["--json", "x"], ["--service", "a", "x"], ["-h"], ["--help"], ["-ed", "x"]],
)
def test_everything_else_is_left_to_the_whole_program(words) -> None:
    assert command_of(words) is None
    assert quick_run(words, {}) is None


def test_without_a_plan_nothing_is_done(tmp_path) -> None:
    assert quick_run(["-e", str(tmp_path), "--", "true"], {}) is None


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A current directory that somebody has removed."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("words", [["run", "--", "true"], ["run", "-s", "x", "true"], ["list"], ["init"], ["lock"]])
def test_a_current_directory_that_is_gone_is_said(words, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["breakbulk", *words])
    assert main() == 2
    assert "error[current-directory-gone]" in capsys.readouterr().err
