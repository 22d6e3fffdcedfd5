"""Hubs of a test's own."""

import sys
from pathlib import Path

import pytest

from breakbulk.hub.hub import Hub

sys.path.insert(0, str(Path(__file__).parent / "support"))

from places import Dictionary


@pytest.fixture
def place() -> Dictionary:
    """A place in memory whose objects a test may look at and spoil."""
    return Dictionary()


@pytest.fixture
def hub(place: Dictionary) -> Hub:
    """A hub in that place, which does not wait between tries."""
    return Hub(place, pause=lambda _seconds: None)
