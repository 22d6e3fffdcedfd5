"""What the API and the pages show of environments, as values: made from changes, locks and their differences. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from breakbulk.hub.records import Change, ChangeKind, Recorded, Summary
from breakbulk.hub.service.catalogue import PackageFound, Use
from breakbulk.hub.service.tokens import Verb
from breakbulk.lock.differences import Change as PackageDifference
from breakbulk.lock.differences import compare
from breakbulk.lock.model import Lock, Package

__all__ = [
    "About",
    "EnvironmentDetail",
    "EnvironmentDifference",
    "EnvironmentPage",
    "Generation",
    "GenerationDetail",
    "LockedPackage",
    "PackageChange",
    "PackagePage",
    "PackageUse",
    "Step",
    "SystemDifference",
    "detail_of",
    "difference_of",
    "environment_of",
    "generations_of",
    "steps_of",
]


class _View(msgspec.Struct, frozen=True, kw_only=True):
    pass


class About(_View, frozen=True, kw_only=True):
    """Who the hub takes the caller for, and what the service accepts.

    Attributes:
        version: Of the service.
        subject: The author of changes made with this token; empty without one.
        owners, verbs: What the token is for.
        expires: When it ends, null for never.
        public: Whether everybody may read.
        largest_object_bytes: Larger content is refused.

    """

    version: str
    subject: str
    owners: tuple[str, ...]
    verbs: tuple[Verb, ...]
    expires: datetime | None
    public: bool
    largest_object_bytes: int


class EnvironmentPage(_View, frozen=True, kw_only=True):
    """Environments that were searched for: those from `offset` on, and how many there are."""

    environments: tuple[Summary, ...]
    offset: int
    total: int


class Generation(_View, frozen=True, kw_only=True):
    """A generation as it was pushed.

    Attributes:
        number: Of the generation.
        change: Of the change that pushed it.
        live: Whether it is the live one.
        signed: Whether the push has a signature, of whomever.

    """

    number: int
    change: int
    digest: str
    live: bool
    author: str
    host: str
    command: str
    time: datetime
    message: str
    packages: int
    systems: tuple[str, ...]
    signed: bool


class Step(_View, frozen=True, kw_only=True):
    """One thing that happened to an environment: after it, `generation` was live."""

    change: int
    kind: ChangeKind
    generation: int
    previous: int | None
    author: str
    host: str
    time: datetime
    message: str
    signed: bool


class EnvironmentDetail(_View, frozen=True, kw_only=True):
    """An environment: its live generation, how many there are, and what happened last (newest first)."""

    environment: str
    generation: int
    generations: int
    digest: str
    installs: tuple[str, ...]
    history: tuple[Step, ...]


class LockedPackage(_View, frozen=True, kw_only=True):
    """A package of a generation for one system; `size` of its archive in bytes."""

    ecosystem: str
    name: str
    version: str
    size: int
    license: str


class GenerationDetail(_View, frozen=True, kw_only=True):
    """A generation with its packages by system."""

    generation: Generation
    packages: dict[str, tuple[LockedPackage, ...]]


class PackageChange(_View, frozen=True, kw_only=True):
    """A package that two generations do not have alike: empty versions stand for its absence."""

    ecosystem: str
    name: str
    before: str
    after: str
    size_bytes: int


class SystemDifference(_View, frozen=True, kw_only=True):
    """What differs for one system; `new_bytes` is what a machine with the earlier generation has to fetch."""

    system: str
    added: tuple[PackageChange, ...]
    removed: tuple[PackageChange, ...]
    changed: tuple[PackageChange, ...]
    unchanged: int
    new_bytes: int
    licences_added: tuple[str, ...]


class EnvironmentDifference(_View, frozen=True, kw_only=True):
    """What differs between two generations of an environment."""

    environment: str
    before: int
    after: int
    systems: tuple[SystemDifference, ...]


class PackagePage(_View, frozen=True, kw_only=True):
    """Packages that were searched for, those used most first."""

    packages: tuple[PackageFound, ...]


class PackageUse(_View, frozen=True, kw_only=True):
    """A package, and the environments whose live generations have it."""

    ecosystem: str
    name: str
    used_by: tuple[Use, ...]


def environment_of(history: Sequence[Recorded], limit: int) -> EnvironmentDetail:
    """Return an environment as its changes (oldest first) say it is."""
    newest = history[-1].change
    return EnvironmentDetail(
        environment=newest.environment,
        generation=newest.generation,
        generations=newest.generations,
        digest=newest.digest,
        installs=newest.installs,
        history=steps_of(history)[:limit],
    )


def steps_of(history: Sequence[Recorded]) -> tuple[Step, ...]:
    """Return what happened, newest first."""
    return tuple(
        Step(
            change=change.number,
            kind=change.kind,
            generation=change.generation,
            previous=change.previous,
            author=change.author,
            host=change.host,
            time=change.time,
            message=change.message,
            signed=bool(recorded.envelope.signatures),
        )
        for recorded in reversed(history)
        for change in (recorded.change,)
    )


def generations_of(history: Sequence[Recorded]) -> tuple[Generation, ...]:
    """Return the generations, newest first."""
    live = history[-1].change.generation
    return tuple(_generation(recorded, live=live) for recorded in reversed(history) if recorded.change.kind == "push")


def detail_of(pushed: Recorded, live: int, lock: Lock) -> GenerationDetail:
    """Return a generation with its packages."""
    return GenerationDetail(
        generation=_generation(pushed, live=live),
        packages={
            system: tuple(_package(package) for package in locked.packages) for system, locked in lock.systems.items()
        },
    )


def difference_of(before: Change, after: Change, old: Lock, new: Lock) -> EnvironmentDifference:
    """Return what differs between two generations."""
    systems = sorted(old.systems.keys() | new.systems.keys())
    return EnvironmentDifference(
        environment=after.environment,
        before=before.generation,
        after=after.generation,
        systems=tuple(_system(old, new, system) for system in systems),
    )


def _system(old: Lock, new: Lock, system: str) -> SystemDifference:
    found = compare(old, new, system)
    return SystemDifference(
        system=system,
        added=tuple(map(_changed, found.added)),
        removed=tuple(map(_changed, found.removed)),
        changed=tuple(map(_changed, found.changed)),
        unchanged=found.unchanged,
        new_bytes=found.new_bytes,
        licences_added=found.licences_added,
    )


def _changed(change: PackageDifference) -> PackageChange:
    return PackageChange(
        ecosystem=change.package.ecosystem,
        name=change.package.name,
        before=change.before.version if change.before else "",
        after=change.after.version if change.after else "",
        size_bytes=change.size_bytes,
    )


def _generation(recorded: Recorded, *, live: int) -> Generation:
    change = recorded.change
    return Generation(
        number=change.generation,
        change=change.number,
        digest=change.digest,
        live=change.generation == live,
        author=change.author,
        host=change.host,
        command=change.command,
        time=change.time,
        message=change.message,
        packages=change.packages,
        systems=tuple(sorted(change.prepared)),
        signed=bool(recorded.envelope.signatures),
    )


def _package(package: Package) -> LockedPackage:
    return LockedPackage(
        ecosystem=package.ecosystem,
        name=package.name,
        version=package.version,
        size=package.size,
        license=package.license or "",
    )
