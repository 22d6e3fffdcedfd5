"""The machines of these tests, which have one hub, a directory."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from breakbulk.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "hub" / "support"))

from machines import Machine


@pytest.fixture
def machine(tmp_path: Path, settings: Settings) -> Callable[[str], Machine]:
    """Return a function that makes a machine by its name; all have one hub, a directory."""
    return lambda name: Machine(tmp_path / name, settings)
