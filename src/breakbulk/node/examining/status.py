"""What a node is at the moment, in one value: installed or not, running or not, used by whom."""

from __future__ import annotations

from pathlib import Path

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.node.examining.store import agent_answers
from breakbulk.node.installing import containerd
from breakbulk.node.installing.registration import written_files
from breakbulk.node.installing.restarting import is_outdated
from breakbulk.node.installing.using import pods_in_use
from breakbulk.node.place import NodePlace

__all__ = ["NodeStatus", "node_status"]


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is.

    Attributes:
        node: Its name.
        runtimes: Names of containerd's runtimes that are ours; none when the node is not installed.
        configuration: Files of containerd's configuration that have something of ours.
        containerd: Version, None when it cannot be asked.
        containerd_runs: Whether it answers.
        restart_pending: Whether containerd was started before its configuration was written.
        agent_runs: Whether the node agent answers.
        environments: How many environments are present.
        pods: `namespace/name` of pods that run in environments, or are about to.

    """

    node: str
    runtimes: tuple[str, ...]
    configuration: tuple[Path, ...]
    containerd: str | None
    containerd_runs: bool
    restart_pending: bool
    agent_runs: bool
    environments: int
    pods: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether pods with environments can be started here."""
        return bool(self.runtimes) and self.containerd_runs and self.agent_runs and not self.restart_pending


def node_status(place: NodePlace) -> NodeStatus:
    """Return the status of a node; what cannot be found out counts as not being there."""
    try:
        version = ".".join(map(str, containerd.version(place.containerd)))
        merged = containerd.merged(place.containerd, place.containerd_config)
        runtimes = tuple(sorted(merged.ours(str(place.runtime)))) if place.runtime.exists() else ()
        files = tuple(written_files(place))
        pending = is_outdated(place)
    except BreakbulkError:
        version, runtimes, files, pending = None, (), (), False
    return NodeStatus(
        node=place.name,
        runtimes=runtimes,
        configuration=files,
        containerd=version,
        containerd_runs=containerd.answering(place.containerd_socket) is not None,
        restart_pending=pending,
        agent_runs=agent_answers(place),
        environments=len(list((place.state / "plans").glob("*.json"))),
        pods=tuple(pods_in_use(place)),
    )
