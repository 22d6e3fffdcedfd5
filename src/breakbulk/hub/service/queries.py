"""What may be asked about environments and packages, for the API and the pages alike; blocking.

Nothing is found that the caller may not read: an environment of somebody else is one that does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence

from breakbulk.errors import NotFoundError, UsageError
from breakbulk.hub.names import Reference, parse_reference
from breakbulk.hub.records import Recorded, Summary
from breakbulk.hub.searching import search
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.catalogue import PackageFound
from breakbulk.hub.service.service import Service
from breakbulk.hub.service.views import (
    EnvironmentDifference,
    GenerationDetail,
    PackageUse,
    detail_of,
    difference_of,
)

__all__ = ["difference", "environments", "generation", "history", "package", "packages"]


def environments(service: Service, caller: Caller, words: Sequence[str]) -> tuple[Summary, ...]:
    """Return the environments that fit all words, the best first; raise `HubError` where the caller may not read."""
    caller.check("read")
    return search((found for found in service.catalogue.environments() if _may_read(caller, found.environment)), words)


def history(service: Service, caller: Caller, owner: str, name: str) -> tuple[Recorded, ...]:
    """Return all changes of an environment, oldest first; raise `NotFoundError` `environment-unknown`."""
    reference = _reference(caller, owner, name)
    return service.reader.history(reference.environment)


def generation(service: Service, caller: Caller, owner: str, name: str, number: int) -> GenerationDetail:
    """Return one generation; raise `NotFoundError` `environment-unknown`, `generation-unknown`."""
    reference = _reference(caller, owner, name)
    live = service.reader.resolve(reference).change.generation
    pushed = _pushed(service, reference, number)
    return detail_of(pushed, live, service.reader.lock(pushed.change))


def difference(
    service: Service, caller: Caller, owner: str, name: str, numbers: tuple[int, int]
) -> EnvironmentDifference:
    """Return what differs between two generations; raise as `generation`."""
    reference = _reference(caller, owner, name)
    old, new = (_pushed(service, reference, number).change for number in numbers)
    return difference_of(old, new, service.reader.lock(old), service.reader.lock(new))


def packages(service: Service, caller: Caller, words: Sequence[str], limit: int) -> list[PackageFound]:
    """Return packages in use in whose names all words occur."""
    caller.check("read")
    readable = None
    if not caller.permits("read", "*"):
        readable = [found.environment for found in environments(service, caller, ())]
    return service.catalogue.packages(words, readable, limit)


def package(service: Service, caller: Caller, ecosystem: str, name: str) -> PackageUse:
    """Return who uses a package; raise `NotFoundError` `package-unused`."""
    caller.check("read")
    users = tuple(use for use in service.catalogue.users(ecosystem, name) if _may_read(caller, use.environment))
    if not users:
        raise NotFoundError(
            f"no live generation has {ecosystem}:{name}"[:200],
            identifier="package-unused",
            hint="earlier generations may; `breakbulk show OWNER/NAME:N` tells",
        )
    return PackageUse(ecosystem=ecosystem, name=name, used_by=users)


def _reference(caller: Caller, owner: str, name: str) -> Reference:
    caller.check("read")
    reference = parse_reference(f"{owner}/{name}")
    if reference.pinned:
        raise UsageError("this is not the name of an environment", identifier="reference-invalid", where=str(reference))
    if not caller.permits("read", reference.owner):
        raise NotFoundError(f"there is no environment {reference} on this hub", identifier="environment-unknown")
    return reference


def _pushed(service: Service, reference: Reference, number: int) -> Recorded:
    return service.reader.resolve(Reference(owner=reference.owner, name=reference.name, generation=number))


def _may_read(caller: Caller, environment: str) -> bool:
    return caller.permits("read", environment.partition("/")[0])
