"""What a hub offers to an environment in a directory that was pulled or pushed: its packages prepared, its archives.

Packages that have stayed as they were pulled are offered still when others have changed since. Nothing is asked before
the store lacks something, and what the hub cannot give comes from the indices as usual.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from breakbulk.hub.fetching import HubArchives, HubPackages
from breakbulk.hub.names import Reference
from breakbulk.library.remote import RemoteEnvironment, open_remembering
from breakbulk.library.runnable import running_system
from breakbulk.library.upstream import Upstream
from breakbulk.lock.model import Package
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings
from breakbulk.store.prepared import Offer, Place, PreparedSource

__all__ = ["UpstreamPackages", "included_archives"]


class UpstreamPackages:
    """The packages of the generation that a directory comes from, and archives.

    Args:
        upstream: What the directory has to do with a hub.
        settings: Of this process.
        reporter: Who is told.

    """

    def __init__(self, upstream: Upstream, settings: Settings, reporter: Reporter) -> None:
        self._upstream = upstream
        self._settings = settings
        self._reporter = reporter
        self._looking = threading.Lock()
        self._source: PreparedSource | None = None

    def offer(self, package: Package) -> Offer | None:
        """Return the prepared package, as `HubPackages`."""
        return self._found().offer(package)

    def places(self, offer: Offer) -> Iterable[Place]:
        """Return where the object of an offer is."""
        return self._found().places(offer)

    def archives(self, package: Package) -> Iterable[Place]:
        """Return where the hub has a package's archive."""
        return self._found().archives(package)

    def _found(self) -> PreparedSource:
        with self._looking:
            if self._source is None:
                self._source = self._find()
            return self._source

    def _find(self) -> PreparedSource:
        owner, _, name = self._upstream.environment.partition("/")
        reference = Reference(owner=owner, name=name, digest=self._upstream.digest)
        remote = RemoteEnvironment(reference, self._settings, self._reporter)
        return HubPackages(remote.hub, remote.recorded.change, running_system())


def included_archives(settings: Settings) -> PreparedSource:
    """Return the archives of own sources that included environments brought with them."""
    return HubArchives(open_remembering(settings), "an included environment")
