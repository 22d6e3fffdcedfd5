import json
import pkgutil
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import breakbulk.cli.commands
from breakbulk.cli.declaration import Command, Group
from breakbulk.cli.main import SECTIONS, program

Call = Callable[..., Any]


def every(found: click.Command = program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield each command by the words that call it, groups too."""
    yield " ".join(path), found
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            assert inner is not None
            yield from every(inner, (*path, name))


EVERY = dict(every())
LEAVES = {words: found for words, found in EVERY.items() if not isinstance(found, click.Group)}


def test_every_module_of_a_command_is_in_a_section() -> None:
    modules = {module.name for module in pkgutil.iter_modules(breakbulk.cli.commands.__path__)}
    assert modules == {name for names in SECTIONS.values() for name in names}


@pytest.mark.parametrize("words", EVERY)
def test_every_command_says_what_it_is_for_with_an_example(words: str) -> None:
    found = EVERY[words]
    assert isinstance(found, Command | Group)
    assert found.help
    purpose = found.help.partition("\n\n")[0].strip()
    assert purpose.endswith(".")
    assert purpose.count(". ") == 0
    assert len(found.get_short_help_str(90).removesuffix("...")) <= 90
    assert found.examples
    for line, meaning in found.examples:
        assert f"breakbulk {words}".strip() in line
        assert meaning.endswith(".")


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_has_json_quiet_and_help(words: str) -> None:
    options = {option for parameter in LEAVES[words].params for option in parameter.opts}
    assert {"--json", "--quiet"} <= options
    assert all(parameter.help for parameter in LEAVES[words].params if isinstance(parameter, click.Option))


@pytest.mark.parametrize("words", LEAVES)
def test_every_example_can_be_parsed(words: str) -> None:
    found = LEAVES[words]
    assert isinstance(found, Command)
    for line, _ in found.examples:
        argv = _arguments(line, words)
        found.make_context(words, argv, resilient_parsing=False, obj=None).close()


def _arguments(line: str, words: str) -> list[str]:
    """Return what follows the command in an example, which may be part of a longer shell line."""
    start = line.index(f"breakbulk {words}") + len(f"breakbulk {words}")
    argv = []
    for word in shlex.split(line[start:].partition(')"')[0]):
        if word in {">", "<", "|", "&&", ";"}:
            break
        argv.append(word)
    return argv


def test_without_a_command_the_help_is_shown(call: Call) -> None:
    outcome = call()
    assert outcome.code == 0
    assert all(name in outcome.out for names in SECTIONS.values() for name in names)
    assert outcome.out == call("--help").out


@pytest.mark.parametrize("group", ["hub", "services", "store"])
def test_a_group_without_a_command_shows_its_help(call: Call, group: str) -> None:
    outcome = call(group)
    assert outcome.code == 0
    assert "Examples:" in outcome.out


def test_the_version_is_told(call: Call) -> None:
    assert call("--version").out.startswith("breakbulk 0.")


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (("isntall",), "did you mean install"),
        (("lock", "--chek"), "did you mean --check"),
        (("--jsn",), "see `breakbulk --help`"),
        (("run",), "see `breakbulk run --help`"),
        (("services", "strat"), "start"),
    ],
)
def test_a_wrong_command_line_is_answered_with_the_right_one(call: Call, argv: tuple[str, ...], fix: str) -> None:
    outcome = call(*argv)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error[usage]: ")
    assert fix in outcome.err


def test_an_error_is_one_document_with_json(call: Call, project: Path) -> None:
    outcome = call("list", "--json")
    assert outcome.code == 72
    assert outcome.err == ""
    assert outcome.document == {
        "error": "manifest-not-found",
        "exit_code": 72,
        "retryable": False,
        "what": f"no breakbulk.toml in {project} or above it",
        "where": str(project),
        "hint": "breakbulk init",
    }


def test_a_wrong_option_is_a_document_too_when_json_is_among_the_options(call: Call) -> None:
    assert call("list", "--jsno", "--json").document["error"] == "usage"
    assert call("run", "--wrong", "--", "jq", "--json").out == ""


def test_a_wrong_setting_is_named(call: Call, project: Path) -> None:
    outcome = call("list", BREAKBULK_JOBS="many")
    assert outcome.code == 2
    assert "BREAKBULK_JOBS=many" in outcome.err


def test_an_unexpected_exception_is_no_traceback(
    call: Call, monkeypatch: pytest.MonkeyPatch, project: Path, tmp_path: Path
) -> None:
    def explode(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("breakbulk.library.Environment.open", explode)
    outcome = call("list")
    assert outcome.code == 79
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith("error[internal-error]: Breakbulk failed unexpectedly: ZeroDivisionError")
    [report] = (tmp_path / "cache" / "reports").iterdir()
    assert "a fault of ours" in report.read_text()
    assert str(report) in outcome.err
    assert "Traceback" in call("list", BREAKBULK_DEBUG="1").err


def test_control_c_ends_with_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("breakbulk.library.Environment.open", interrupt)
    assert call("list").code == 130
    assert call("list", "--json").document["error"] == "interrupted"


def test_control_c_in_a_real_process(spawn: Call, project: Path, tmp_path: Path) -> None:
    (project / "breakbulk.toml").write_text("")
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\necho ready; exec sleep 60\n")
    editor.chmod(0o755)
    with spawn(
        "edit",
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        extra={"EDITOR": str(editor)},
    ) as started:
        assert started.stdout.readline() == "ready\n"
        import os

        os.killpg(started.pid, signal.SIGINT)
        _, errors = started.communicate(timeout=30)
    assert started.returncode == -signal.SIGINT
    assert "Traceback" not in errors


def test_a_closed_pipe_is_quiet(spawn: Call) -> None:
    with spawn("--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        started.stdout.close()
        errors = started.stderr.read()
    assert (started.returncode, errors) == (141, "")


def test_a_full_disk_behind_standard_output_is_an_error(process: Call, spawn: Call) -> None:
    with (
        Path("/dev/full").open("w") as full,
        spawn("completion", "bash", stdout=full, stderr=subprocess.PIPE) as started,
    ):
        _, errors = started.communicate()
    assert started.returncode == 78
    assert errors.startswith("error[output]: cannot write standard output")


def test_module_and_script_are_one_program(process: Call) -> None:
    outcome = process("list", "--json", "-e", "/nonexistent")
    assert outcome.code == 72
    assert json.loads(outcome.out)["error"] == "directory-missing"
    assert outcome.err == ""
