"""The interpreter of the runtime program is one that runs it."""

import sys
from pathlib import Path

import pytest

from breakbulk.node.installing.installation import Program
from breakbulk.node.installing.interpreters import runtime_python

SOURCE = Program.running().source


def interpreter(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_one_that_runs_the_handler_is_taken(tmp_path: Path) -> None:
    candidate = interpreter(tmp_path / "python", f'exec {sys.executable} "$@"')
    assert runtime_python(SOURCE, candidate) == candidate


@pytest.mark.parametrize("script", ["exit 1", f'exec {sys.executable} -c "import breakbulk_that_is_not_there"'])
def test_one_that_does_not_is_left(tmp_path: Path, script: str) -> None:
    assert runtime_python(SOURCE, interpreter(tmp_path / "python", script)) == sys.executable
    assert runtime_python(SOURCE, str(tmp_path / "missing")) == sys.executable


def test_one_without_our_code_is_left(tmp_path: Path) -> None:
    candidate = interpreter(tmp_path / "python", f'exec {sys.executable} "$@"')
    assert runtime_python(str(tmp_path), candidate) == sys.executable
