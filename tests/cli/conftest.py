"""Calls of the program: in this process for what it prints, as a process for what a shell sees."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from breakbulk.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The environment of calls: a store and a cache of the test's own, no terminal, no editor."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"BREAKBULK_STORE": str(tmp_path / "store"), "BREAKBULK_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def call(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Call `main` in this process."""

    def run(*argv: str | Path, **extra: str) -> Outcome:
        monkeypatch.setattr(os, "environ", variables | extra)
        capfd.readouterr()
        code = main([str(word) for word in argv])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def process(variables: dict[str, str]) -> Callable[..., Outcome]:
    """Run `python -m breakbulk` as a process of its own."""

    def run(*argv: str | Path, cwd: Path | None = None, **extra: str) -> Outcome:
        finished = subprocess.run(
            program(*argv), cwd=cwd, env=variables | extra, capture_output=True, text=True, timeout=60, check=False
        )
        return Outcome(finished.returncode, finished.stdout, finished.stderr)

    return run


def program(*argv: str | Path) -> list[str]:
    """Return the command line of the program."""
    return [sys.executable, "-m", "breakbulk", *map(str, argv)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, which is the current one."""
    directory = tmp_path / "project"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def manifest(directory: Path, text: str = "", **sections: Mapping[str, str]) -> Path:
    """Write a manifest."""
    path = directory / "breakbulk.toml"
    path.write_text(text)
    return path
