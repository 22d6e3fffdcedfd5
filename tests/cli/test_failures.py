import json
from pathlib import Path

import click
import pytest

from breakbulk.cli.failures import InternalError, as_error, rendered
from breakbulk.cli.rendering import Style
from breakbulk.errors import BreakbulkError, NetworkError

PLAIN = Style(enabled=False)


def fail(exception: BaseException, **environ: str) -> BreakbulkError:
    return as_error(exception, argv=["install", "pypi:x"], environ=environ)


def test_an_error_says_what_where_why_and_the_fix() -> None:
    error = NetworkError("the index does not answer", where="index 1", why="time out\nthrice", hint="try again")
    assert rendered(error, PLAIN).splitlines() == [
        "error[network]: the index does not answer",
        "  where: index 1",
        "  why: time out",
        "       thrice",
        "  fix: try again",
    ]


def test_an_error_leaves_out_what_is_not_known() -> None:
    assert rendered(NetworkError("no answer"), PLAIN) == "error[network]: no answer"


def test_colours_do_not_change_the_words() -> None:
    error = NetworkError("no answer", why="time out")
    assert click.unstyle(rendered(error, Style(enabled=True))) == rendered(error, PLAIN)


def test_our_errors_come_as_they_are() -> None:
    error = NetworkError("no answer")
    assert fail(error) is error


def test_control_c_is_130() -> None:
    assert (fail(KeyboardInterrupt()).reference, fail(KeyboardInterrupt()).exit_code) == ("interrupted", 130)


def test_a_wrong_option_names_the_nearest() -> None:
    context = click.Context(click.Command("lock"), info_name="lock")
    error = fail(click.NoSuchOption("--chek", possibilities=["--check"], ctx=context))
    assert (error.reference, error.exit_code, error.where) == ("usage", 2, "lock")
    assert error.hint == "did you mean --check? see `lock --help`"


def test_a_fault_of_ours_is_reported_in_a_file_without_credentials(tmp_path: Path) -> None:
    try:
        raise RuntimeError("cannot open https://user:secret@index.example/simple")
    except RuntimeError as caught:
        error = as_error(
            caught,
            argv=["install", "git+https://user:secret@example.org/x"],
            environ={"BREAKBULK_CACHE": str(tmp_path)},
        )
    assert isinstance(error, InternalError)
    assert error.where is not None
    report = Path(error.where).read_text()
    assert Path(error.where).is_relative_to(tmp_path / "reports")
    assert "Traceback (most recent call last)" in report
    assert "command: breakbulk install git+https://example.org/x" in report
    assert "secret" not in report + json.dumps(error.as_dict())


def test_the_report_goes_elsewhere_when_the_cache_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    error = fail(ValueError("x"), BREAKBULK_CACHE=str(blocked))
    assert error.where is not None
    report = Path(error.where)
    assert "ValueError: x" in report.read_text()
    report.unlink()


def test_a_maintainer_sees_the_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fail(ValueError("x"), BREAKBULK_CACHE=str(tmp_path), BREAKBULK_DEBUG="1")
    assert "ValueError: x" in capsys.readouterr().err
