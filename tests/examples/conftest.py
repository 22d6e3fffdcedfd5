"""Run an example as a user would: a copy of it, the command line, real packages."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = str(Path(sys.executable).with_name("breakbulk"))


class Example:
    """A copy of an example, and the command line in it."""

    def __init__(self, directory: Path, variables: dict[str, str]) -> None:
        self.directory = directory
        self.variables = variables

    def __call__(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        """Run `breakbulk` with these arguments and return its standard output."""
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.directory,
            env={**os.environ, **self.variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
        assert done.returncode == status, (
            f"{arguments}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout

    def lock(self) -> dict[str, Any]:
        """Return the lock as JSON."""
        value: dict[str, Any] = json.loads((self.directory / "breakbulk.lock").read_text())
        return value


@pytest.fixture(scope="session")
def example_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all examples: what one has realised the next one finds."""
    return tmp_path_factory.mktemp("examples") / "store"


@pytest.fixture
def example(tmp_path: Path, example_store: Path, shared_cache: Path) -> Callable[[str], Example]:
    """Return a function that copies an example by name."""

    def copy(name: str) -> Example:
        target = tmp_path / name
        ignored = shutil.ignore_patterns(".breakbulk", "breakbulk.lock", "__pycache__", "result-*")
        shutil.copytree(EXAMPLES / name, target, ignore=ignored)
        return Example(target, {"BREAKBULK_STORE": str(example_store), "BREAKBULK_CACHE": str(shared_cache)})

    return copy
