"""The fixture of the fault tests: two nodes, a hub behind a gate, an archive of Debian packages that can go away.

On each node runs a pod that nothing may happen to. On the second a realisation takes longer than kubelet waits for a
container; it goes on while other tests run, so that it costs them no time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "faults" / "support"))

import fault_content
from fault_gate import FREE_BYTES, gate
from fault_node import BrokenCluster, serving_hub, small_disk
from fault_world import serving
from machines import Machine
from running_cluster import bring_up, home_of_clusters

from breakbulk.cluster.places import NativePlace
from breakbulk.cluster.records import cluster_directory

__all__ = ["SLOW_S", "broken"]

PACE_BYTES_PER_S = 60_000
"""Of whatever is large."""

SLOW_S = 150
"""More than the two minutes after which kubelet gives up on a container, and containerd keeps its name."""


@pytest.fixture(scope="session")
def broken() -> Iterator[BrokenCluster]:
    """A cluster to break; tests leave it whole."""
    with ExitStack() as stack:
        home = stack.enter_context(home_of_clusters())
        key = fault_content.new_key()
        site = stack.enter_context(serving(fault_content.signed_archive(fault_content.debs(), key)))
        apt = home.store / "apt"
        (apt / "trusted.gpg.d").mkdir(parents=True)
        (apt / "trusted.gpg.d" / "archive.asc").write_text(str(key.extract_certificate()))
        (apt / "sources.list").write_text(f"deb {site.url}/debian stable main\n")

        hub, name = home.store / "hub", f"f{os.getpid():x}"
        machine = Machine(home.store / "machine", replace(home, hub=str(hub), apt_directory=apt))
        place = NativePlace(name, cluster_directory(home.state.resolve(), name))
        small_disk(place.node(f"{name}-1").breakbulk / "store")
        door = stack.enter_context(gate(stack.enter_context(serving_hub(hub, home.store)), PACE_BYTES_PER_S))
        given = {"HUB": door.url, "APT": apt, "TIMEOUT": 10, "RETRIES": 2}
        variables = {f"BREAKBULK_{word}": str(value) for word, value in given.items()}
        settings = replace(home, hub=door.url, environment={**home.environment, **variables})
        made = BrokenCluster(bring_up(settings, name, nodes=2), hub, door, site, machine)
        _populate(made)
        yield made


def _populate(made: BrokenCluster) -> None:
    made.push("web")
    made.push("slow", FREE_BYTES + SLOW_S * PACE_BYTES_PER_S)
    made.run(
        made.pod("canary-1", "ada/web"),
        made.pod("canary-2", "ada/web", made.second),
        made.pod("slow-always", "ada/slow", made.second),
        made.pod("slow-never", "ada/slow", made.second, restartPolicy="Never"),
    )
    made.wait_running("canary-1", "canary-2")
