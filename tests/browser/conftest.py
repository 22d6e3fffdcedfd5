"""A browser for all tests of pages, and a service with something to show."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "hub" / "support"))

from chromium import Chromium, chromium
from places import Dictionary
from serving import Served, serving, until
from shop import fill

from breakbulk.hub.hub import Hub
from breakbulk.settings import Settings


@pytest.fixture(scope="package")
def browser(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One Chromium; pages have profiles of their own."""
    with chromium(shared_cache, tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def hub() -> Hub:
    """The hub as somebody sees it who does not go through the service."""
    hub = Hub(Dictionary(), pause=lambda _seconds: None)
    fill(hub)
    return hub


@pytest.fixture
def served(hub: Hub, settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """A service whose catalogue is complete."""
    with serving(hub.objects, settings, tmp_path / "state") as running:
        text = running.token()[1]
        until(lambda: running.ask("GET", "/v1/packages/pypi/numpy", text).status_code == 200)
        until(lambda: len(running.ask("GET", "/v1/packages/pypi/numpy", text).json()["used_by"]) == 6)
        yield running


@pytest.fixture
def public(hub: Hub, settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """The same, which everybody may read."""
    with serving(hub.objects, settings, tmp_path / "state", options={"public_read": True}) as running:
        until(lambda: running.ask("GET", "/v1/packages/pypi/numpy").status_code == 200)
        until(lambda: len(running.ask("GET", "/v1/packages/pypi/numpy").json()["used_by"]) == 6)
        yield running
