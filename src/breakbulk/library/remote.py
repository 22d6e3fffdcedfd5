"""An environment of a hub, run by its name: `owner/name`, `owner/name:3`, `owner/name@sha256:...`.

What the reference means is decided once, by `hub.trust`, and nothing of it is run before. The lock is the whole
environment; the current directory is what commands see, as with remote environments of Flox. What the environment
keeps between runs is in a state directory of its own, one per hub and name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.environment.specification import current_directory
from breakbulk.errors import IntegrityError, LockError, NotFoundError
from breakbulk.hub.fetching import HubPackages
from breakbulk.hub.names import Reference, parse_reference
from breakbulk.hub.opening import open_hub
from breakbulk.hub.remembering import RememberingHub
from breakbulk.hub.trust import resolve_trusted
from breakbulk.library.runnable import Runnable, running_system
from breakbulk.lock.model import Lock
from breakbulk.manifest.reading import from_builtins
from breakbulk.manifest.schema import Manifest
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.hub.records import Recorded
    from breakbulk.store.realise import Realised

__all__ = ["RemoteEnvironment", "open_remembering", "told_of"]


class RemoteEnvironment(Runnable):
    """An environment of a hub; the hub is first asked when something of it is needed.

    Args:
        reference: Which.
        settings: Of this process; they name the hub.
        reporter: Who is told of progress.

    """

    def __init__(self, reference: Reference, settings: Settings, reporter: Reporter = SILENT) -> None:
        super().__init__(settings, reporter)
        self.reference = reference

    @classmethod
    def open(cls, name: str, settings: Settings, reporter: Reporter = SILENT) -> RemoteEnvironment:
        """Return the environment that `name` means; raise `UsageError` `reference-invalid`."""
        return cls(parse_reference(name), settings, reporter)

    @cached_property
    def hub(self) -> RememberingHub:
        """Where it is."""
        return open_remembering(self.settings)

    @cached_property
    def recorded(self) -> Recorded:
        """What the reference means now, and trusted; asked once, so that lock and packages are of one generation."""
        try:
            return resolve_trusted(self.hub, self.reference, self.settings, self.reporter)
        except NotFoundError as error:
            if error.reference == "environment-unknown":
                error.why = f"nor is there a directory {self.reference} here"
            raise

    @cached_property
    def lock(self) -> Lock:
        """Its lock; raises `IntegrityError` and `LockError` that name the environment."""
        with told_of(self.place):
            return self.hub.lock(self.recorded.change)

    @cached_property
    def manifest(self) -> Manifest:
        """The composed manifest, which is in the lock."""
        return from_builtins(self.lock.manifest)

    @property
    def place(self) -> str:
        """`owner/name:generation`."""
        return f"{self.reference.environment}:{self.recorded.change.generation}"

    @property
    def directory(self) -> Path:
        """The current directory."""
        return current_directory()

    @property
    def name(self) -> str:
        """`owner/name`."""
        return self.reference.environment

    @cached_property
    def state(self) -> Path:
        """A directory of this environment, whatever its generation."""
        place = hashlib.sha256(self.hub.url.encode()).hexdigest()[:8]
        return self.settings.state / "environments" / place / self.reference.owner / self.reference.name

    def read_lock(self) -> Lock:
        """Return the lock."""
        return self.lock

    def outdated(self, lock: Lock | None) -> None:
        """Return None: what is pushed never changes."""

    def realise(self) -> Realised:
        """Make its packages present, from the hub where it has them, and keep them from collection.

        Raises:
            IntegrityError: Bytes of the hub are not what the lock says; object and environment are named.
            BreakbulkError: What realising raises.

        """
        from breakbulk.ecosystems.registry import ecosystems
        from breakbulk.library.keeping import without_sources_elsewhere
        from breakbulk.store.layout import Layout
        from breakbulk.store.realise import realise_system
        from breakbulk.store.roots import remember_environment

        system, layout = self._locked_system(self.lock), Layout(self.settings.store)
        with suppress(OSError):  # a store that somebody else keeps: whoever keeps it decides
            remember_environment(layout, self.reference.environment, self.recorded.change.digest, self.lock)
        with told_of(self.place):
            return realise_system(
                system,
                without_sources_elsewhere(self.manifest),
                ecosystems(),
                self.settings,
                self.reporter,
                prepared=HubPackages(self.hub, self.recorded.change, running_system()),
            )

    def _about_to_launch(self, realised: Realised) -> None:  # noqa: ARG002 - a directory's plan needs it
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)


def open_remembering(settings: Settings) -> RememberingHub:
    """Return the configured hub, with this machine's memory of it; raises `UsageError` as `open_hub`."""
    return RememberingHub(open_hub(settings).objects, settings.cache)


@contextmanager
def told_of(place: str) -> Iterator[None]:
    """Have errors about objects and locks of a hub name the environment that needs them."""
    try:
        yield
    except (IntegrityError, LockError, NotFoundError) as error:
        if place not in str(error):
            error.where = f"{place}, {error.where}" if error.where else place
        raise
