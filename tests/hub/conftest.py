"""Hubs of a test's own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakbulk.hub.hub import Hub

sys.path.insert(0, str(Path(__file__).parent / "support"))

from places import Dictionary
from s3_server import S3Server, serving_s3


@pytest.fixture
def place() -> Dictionary:
    """A place in memory whose objects a test may look at and spoil."""
    return Dictionary()


@pytest.fixture
def hub(place: Dictionary) -> Hub:
    """A hub in that place, which does not wait between tries."""
    return Hub(place, pause=lambda _seconds: None)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server; a test makes buckets of its own in it."""
    with serving_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's credentials and endpoints out of the tests: obstore reads the process's environment too."""
    for variable in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(variable)
