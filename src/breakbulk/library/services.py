"""The services of an environment, which run in the background: `Runnable.services`.

Counterpart of `environment.services`, which talks to the process that has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from breakbulk.environment.services import ServiceStatus
    from breakbulk.environment.specification import Launch
    from breakbulk.library.runnable import Runnable
    from breakbulk.store.realise import Realised

__all__ = ["Services"]


class Services:
    """The services of an environment; without names all of them are meant.

    Raises everywhere:
        NotFoundError: `service-unknown`.
        ServiceError: `services-unreachable`.

    """

    def __init__(self, environment: Runnable) -> None:
        self._environment = environment

    def select(self, names: Sequence[str] = ()) -> tuple[str, ...]:
        """Return `names`, or the names of all services that this machine's system has."""
        from breakbulk.environment.services import select

        return select(self._environment.manifest, names)

    def start(self, names: Sequence[str] = (), *, realised: Realised | None = None) -> tuple[ServiceStatus, ...]:
        """Start services, and what they depend on, and wait until they are ready.

        Forks: call it from a process with one thread, with what `Runnable.realise` gave.

        Raises:
            ServiceError: `service-not-ready`, `service-failed`; the others go on.

        """
        from breakbulk.environment import services

        return services.start(self._launch(names, realised), self._environment.reporter)

    def stop(self, names: Sequence[str] = ()) -> tuple[ServiceStatus, ...]:
        """Stop services, and first those that depend on them, and wait for their end."""
        from breakbulk.environment import services

        return services.stop(self._environment.state, self.select(names) if names else ())

    def restart(self, names: Sequence[str] = (), *, realised: Realised | None = None) -> tuple[ServiceStatus, ...]:
        """Restart services; forks and raises as `start` does."""
        from breakbulk.environment import services

        return services.restart(self._launch(names, realised), self._environment.reporter)

    def status(self, names: Sequence[str] = ()) -> tuple[ServiceStatus, ...]:
        """Return how services are."""
        from breakbulk.environment import services

        return services.status(self._environment.state, self.select(names))

    def log(self, name: str, lines: int) -> bytes:
        """Return the last `lines` lines of what a service wrote, empty when it has never run."""
        from breakbulk.environment import services

        return services.read_log(self._environment.state, self.select([name])[0], lines)

    def follow(self, name: str) -> Iterator[bytes]:
        """Yield what a service writes from now on, for ever."""
        from breakbulk.environment import services

        return services.follow_log(self._environment.state, self.select([name])[0])

    def _launch(self, names: Sequence[str], realised: Realised | None) -> Launch:
        from breakbulk.environment.launching import prepare

        environment, selected = self._environment, self.select(names)
        realised = realised or environment.realise()
        launch = prepare(environment, realised.lowers, None, host=environment.settings.environment)
        return msgspec.structs.replace(launch, services=selected)
