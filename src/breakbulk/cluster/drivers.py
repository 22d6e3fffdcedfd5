"""What can keep a cluster, behind one interface: `native`, `kind`, `existing`.

Each driver is a module of that name with one class. Which of them keeps a cluster that exists is in its record, so only
`up` has to be told.
"""

from __future__ import annotations

from typing import Protocol

from breakbulk.cluster.model import KINDS, ClusterRequest, ClusterStatus, DriverKind, LogSource, check_name
from breakbulk.cluster.places import NativePlace
from breakbulk.cluster.records import cluster_directory, cluster_names, recorded_driver
from breakbulk.errors import ClusterError, NotFoundError, UsageError
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Driver", "all_names", "driver", "driver_for", "driver_of", "unknown_cluster"]


class Driver(Protocol):
    """Whatever brings clusters up and takes them down.

    Methods that name a cluster raise `NotFoundError` (`cluster-unknown`) where there is none of that name, and
    `ClusterError` where it cannot be done.
    """

    kind: DriverKind

    def up(self, request: ClusterRequest, reporter: Reporter) -> ClusterStatus:
        """Make the cluster as it is asked for, or mend it; what is as it should be stays untouched."""

    def status(self, name: str) -> ClusterStatus:
        """Look at the cluster; change nothing."""

    def names(self) -> list[str]:
        """Return the clusters that this driver keeps, sorted."""

    def down(self, name: str, reporter: Reporter) -> None:
        """Remove everything that `up` made, however far it came."""

    def log(self, name: str, component: str, node: str | None = None) -> LogSource:
        """Return where a component's log is; `node` may be left out where only one of them runs it."""


def driver(kind: str, settings: Settings) -> Driver:
    """Return a driver; raise `UsageError` (`driver-unknown`) when there is none of that kind."""
    if kind == "native":
        from breakbulk.cluster.native import NativeDriver

        return NativeDriver(settings)
    if kind == "kind":
        from breakbulk.cluster.kind import KindDriver

        return KindDriver(settings)
    if kind == "existing":
        from breakbulk.cluster.existing import ExistingDriver

        return ExistingDriver(settings)
    raise UsageError(
        f"there is no driver {kind[:50]!r}", identifier="driver-unknown", hint=f"take one of {', '.join(KINDS)}"
    )


def driver_of(name: str, settings: Settings) -> Driver:
    """Return whoever keeps a cluster, or can remove what is left of one.

    Raises:
        NotFoundError: `cluster-unknown`.
        UsageError: `cluster-name`.

    """
    directory = cluster_directory(settings.state, check_name(name))
    kind = recorded_driver(directory)
    if kind is None and not (directory.exists() or NativePlace(name, directory).runtime.exists()):
        raise unknown_cluster(name, settings)
    return driver(kind or "native", settings)


def driver_for(name: str, kind: str | None, settings: Settings) -> Driver:
    """Return the driver that `up` needs: the cluster's own, else the one asked for, else `native`.

    Raises:
        ClusterError: `cluster-differs`: another driver keeps the cluster of this name.
        UsageError: The name, or the kind, is none.

    """
    kept_by = recorded_driver(cluster_directory(settings.state, check_name(name)))
    if kept_by and kind and kept_by != kind:
        raise ClusterError(
            f"the cluster {name!r} is one of the driver {kept_by!r}",
            identifier="cluster-differs",
            why=f"{kind!r} is asked for",
            hint="take another name, or run `breakbulk cluster down` first",
        )
    return driver(kept_by or kind or "native", settings)


def all_names(settings: Settings) -> list[str]:
    """Return the names of all clusters, whoever keeps them, sorted."""
    return cluster_names(settings.state)


def unknown_cluster(name: str, settings: Settings) -> NotFoundError:
    """Return the error for a name that no cluster has."""
    known = ", ".join(all_names(settings))
    return NotFoundError(
        f"there is no cluster {name!r}",
        identifier="cluster-unknown",
        where=str(cluster_directory(settings.state, name)),
        why=f"there are: {known}" if known else "there is none at all",
        hint=f"breakbulk cluster up --name {name}",
    )
