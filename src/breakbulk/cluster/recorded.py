"""What drivers share whose clusters are reached like any other: by a kubeconfig that is kept beside the record.

    <state>/clusters/NAME/cluster.json    the driver's own record
                          kubeconfig      one context, for its owner only

Counterparts: `kind`, `existing`; native clusters look at their processes as well, and have their own way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from breakbulk.cluster.drivers import unknown_cluster
from breakbulk.cluster.model import DriverKind, check_name
from breakbulk.cluster.records import ClusterRecord, cluster_directory, cluster_names, read_record, recorded_driver
from breakbulk.kubernetes.configuration import Access
from breakbulk.kubernetes.connection import Connection, connect
from breakbulk.kubernetes.objects import runtime_classes
from breakbulk.node.installing.manifest import Deployment, manifest
from breakbulk.settings import Settings

__all__ = ["RecordedDriver", "ask"]

Answer = TypeVar("Answer")
Record = TypeVar("Record", bound=ClusterRecord)


class RecordedDriver(Generic[Record]):
    """The part of a driver that finds its clusters again and talks to them.

    Args:
        settings: Say where records are; what is called has their environment.

    """

    kind: DriverKind
    record_type: ClassVar[type[ClusterRecord]]

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def names(self) -> list[str]:
        """Return the clusters that this driver keeps."""
        state = self._settings.state
        return [name for name in cluster_names(state) if recorded_driver(cluster_directory(state, name)) == self.kind]

    def _directory(self, name: str) -> Path:
        return cluster_directory(self._settings.state.resolve(), check_name(name))

    def _kubeconfig(self, name: str) -> Path:
        return self._directory(name) / "kubeconfig"

    def _recorded(self, name: str) -> Record | None:
        return read_record(self._directory(name), self.record_type)  # type: ignore[return-value]

    def _known(self, name: str) -> Record:
        record = self._recorded(name)
        if record is None:
            raise unknown_cluster(name, self._settings)
        return record

    def _ask(self, name: str, question: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        return ask(Access(files=(self._kubeconfig(name),)), question)

    def _objects(self, image: str | None) -> list[dict[str, Any]]:
        """Return what is put into the cluster: what installs its nodes, or without an image what pods name."""
        if image is None:
            return runtime_classes()
        hub = self._settings.hub
        is_of_this_machine = hub.startswith(("/", "file:"))
        return manifest(Deployment(image=image, hub="" if is_of_this_machine else hub))


def ask(access: Access, question: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    """Return what a question to an API server is answered; raise as the question, and `ClusterError`."""

    async def answered() -> Answer:
        async with connect(access) as connection:
            return await question(connection)

    return asyncio.run(answered())
