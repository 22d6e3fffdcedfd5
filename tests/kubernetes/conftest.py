"""Servers on loopback, and what it takes to connect to them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from breakbulk.kubernetes.configuration import Access

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cluster" / "support"))

from control_plane import ControlPlane, control_plane
from recording_server import Recorder, recording


@pytest.fixture
def access_to(tmp_path: Path) -> Callable[..., Access]:
    """Return what a kubeconfig that names this server gives; more of the user or cluster as keywords."""

    def write(server: str, cluster: dict[str, object] | None = None, user: dict[str, object] | None = None) -> Access:
        file = tmp_path / "kubeconfig"
        document = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
            "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
            "users": [{"name": "u", "user": user or {}}],
        }
        file.write_text(yaml.safe_dump(document))
        return Access(files=(file,))

    return write


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server, for the tests that are marked `cluster`."""
    with control_plane(tmp_path_factory.mktemp("control-plane")) as made:
        yield made


@pytest.fixture
def server() -> Iterator[Recorder]:
    """A server that answers what a test tells it to."""
    with recording() as recorder:
        yield recorder
