"""Which command lines take the short way."""

from pathlib import Path

import pytest

from breakbulk.cli.quick import command_of, quick_run


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
