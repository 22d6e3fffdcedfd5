"""The packages of the configured hub, as resolving and realising ask for them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.ecosystems.hub.catalogue import Release
from breakbulk.lock.model import Package
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.hub.hub import Hub

__all__ = ["HubCatalogue"]


class HubCatalogue:
    """What `ecosystems.hub` asks. May be used from several threads; the hub is opened when it is first asked.

    Each package's releases are read once, so that all systems of a lock see the same.

    Args:
        settings: They name the hub, and the store.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._opened: Hub | None = None
        self._known: dict[str, tuple[Release, ...]] = {}

    def releases(self, package: str) -> tuple[Release, ...]:
        """Return every release of `owner/name` that may be installed, oldest first; raise as `trusted_publications`."""
        from breakbulk.hub.trusted_packages import trusted_publications

        with self._lock:
            if package not in self._known:
                history = trusted_publications(self._hub(), package, self._settings)
                self._known[package] = tuple(each.publication.release for each in history)
            return self._known[package]

    def fetch(self, package: Package) -> Path:
        """Return the archive of a package, put among those of this store; raise as `bring_sources`."""
        from breakbulk.hub.fetching import bring_sources
        from breakbulk.store.layout import Layout

        layout = Layout(self._settings.store)
        bring_sources(self._hub(), [package], layout, f"{package.name} {package.version}")
        return layout.archives / package.sha256

    def _hub(self) -> Hub:
        from breakbulk.hub.opening import open_hub

        with self._lock:
            self._opened = self._opened or open_hub(self._settings)
            return self._opened
