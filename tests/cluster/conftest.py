"""A cluster of two nodes for all tests that want one, and a machine that is as before when they are done."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakbulk.settings import Settings

sys.path.insert(0, str(Path(__file__).parent / "support"))

from fault_cluster import broken
from running_cluster import RunningCluster, bring_up, home_of_clusters

__all__ = ["broken", "cluster", "clusters"]


@pytest.fixture(scope="session")
def clusters() -> Iterator[Settings]:
    """Settings for clusters; whatever is brought up with them is taken down at the end, also after failures."""
    with home_of_clusters() as settings:
        yield settings


@pytest.fixture(scope="session")
def cluster(clusters: Settings) -> RunningCluster:
    """A native cluster of two nodes that run imageless pods, one for the whole session."""
    return bring_up(clusters, f"t{os.getpid():x}", nodes=2)
