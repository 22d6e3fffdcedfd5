"""A service over a hub in memory, and one over a directory."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from places import Dictionary
from serving import Served, serving

from breakbulk.settings import Settings


@pytest.fixture
def served(place: Dictionary, settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """A service over objects that a test may look at and spoil."""
    with serving(place, settings, tmp_path / "state") as found:
        yield found
