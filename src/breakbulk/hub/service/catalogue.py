"""What is on the hub, kept ready for searches and pages: summaries in memory, who uses which package in SQLite.

Derived from the index and from changes, which anybody with the object store may write too: it is brought up to date
after every change accepted here and every few seconds besides. The file may be removed; it is made again.
Only what is live counts: a package that an earlier generation had is not in use.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.hub import index
from breakbulk.hub.hub import Hub
from breakbulk.hub.records import Recorded, Summary
from breakbulk.hub.service.database import Database
from breakbulk.hub.service.events import Event
from breakbulk.lock.model import Lock

__all__ = ["Catalogue", "PackageFound", "Use"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS known (environment TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS uses (
  environment TEXT NOT NULL, ecosystem TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, system TEXT NOT NULL,
  size INTEGER NOT NULL, license TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS uses_by_package ON uses (ecosystem, name);
CREATE INDEX IF NOT EXISTS uses_by_environment ON uses (environment);
"""
_SKIPPED_MAX = 50  # changes of one environment between two looks of which each becomes an event


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """An environment whose live generation has a package: in which version, for which system."""

    environment: str
    version: str
    system: str


class PackageFound(msgspec.Struct, frozen=True, kw_only=True):
    """A package of live generations: its versions in use, and by how many environments."""

    ecosystem: str
    name: str
    versions: tuple[str, ...]
    environments: int


class Catalogue:
    """The catalogue of one hub. May be read from several threads; `refresh` is called from one at a time."""

    def __init__(self, hub: Hub, state: Path) -> None:
        self._hub = hub
        self._database = Database(state / "catalogue.sqlite", _SCHEMA)
        self._refreshing = threading.Lock()
        self.summaries: tuple[Summary, ...] | None = None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def environments(self) -> tuple[Summary, ...]:
        """Return the summaries of all environments, by name."""
        if self.summaries is None:
            self.refresh()
        return self.summaries or ()

    def refresh(self) -> tuple[Event, ...]:
        """Look at the index and return what happened since the last look; the first one returns nothing."""
        with self._refreshing:
            before = None if self.summaries is None else {found.environment: found.change for found in self.summaries}
            self.summaries = index.read(self._hub.objects)
            if before is None:
                return ()
            changed = [found for found in self.summaries if found.change > before.get(found.environment, 0)]
            events = [event for found in changed for event in self._events(found, before.get(found.environment, 0))]
            return tuple(sorted(events, key=lambda event: event.time))

    def index_packages(self, limit: int) -> int:
        """Read the locks of up to `limit` environments whose packages are not known yet; return how many were."""
        known = dict(self._database.rows("SELECT environment, digest FROM known"))
        waiting = [found for found in self.environments() if known.get(found.environment) != found.digest][:limit]
        for found in waiting:
            self._learn(found)
        self._forget(known.keys() - {found.environment for found in self.environments()})
        return len(waiting)

    def packages(self, words: Iterable[str], readable: Iterable[str] | None, limit: int) -> list[PackageFound]:
        """Return packages in whose names all words occur, those used most first.

        `readable` are the environments that count, None for all.
        """
        words = list(words)
        condition = " AND ".join("instr(name, ?) > 0" for _ in words) or "1"
        rows = self._database.rows(
            f"SELECT ecosystem, name, version, environment FROM uses WHERE {condition}",  # noqa: S608 - no input in it
            [word.lower() for word in words],
        )
        allowed = None if readable is None else set(readable)
        found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
        for ecosystem, name, version, environment in rows:
            if allowed is None or environment in allowed:
                versions, environments = found.setdefault((ecosystem, name), (set(), set()))
                versions.add(version)
                environments.add(environment)
        ordered = sorted(found.items(), key=lambda item: (-len(item[1][1]), item[0]))
        return [
            PackageFound(ecosystem=key[0], name=key[1], versions=tuple(sorted(versions)), environments=len(users))
            for key, (versions, users) in ordered[:limit]
        ]

    def users(self, ecosystem: str, name: str) -> list[Use]:
        """Return the environments whose live generations have a package, by name."""
        rows = self._database.rows(
            "SELECT environment, version, system FROM uses WHERE ecosystem = ? AND name = ?"
            " ORDER BY environment, system",
            (ecosystem, name),
        )
        return [Use(environment=row[0], version=row[1], system=row[2]) for row in rows]

    def _events(self, found: Summary, seen: int) -> list[Event]:
        first = max(seen + 1, found.change - _SKIPPED_MAX)
        return [_event(self._hub.recorded(found.environment, number)) for number in range(first, found.change + 1)]

    def _learn(self, found: Summary) -> None:
        try:
            lock = self._hub.lock(self._hub.recorded(found.environment, found.change).change)
        except BreakbulkError:
            lock = None  # damaged: it has no packages that one could name, and `hub check` tells why
        with self._database.writing() as connection:
            connection.execute("DELETE FROM uses WHERE environment = ?", (found.environment,))
            connection.executemany("INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?)", _rows(found.environment, lock))
            connection.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", (found.environment, found.digest))

    def _forget(self, environments: Iterable[str]) -> None:
        for environment in environments:
            with self._database.writing() as connection:
                connection.execute("DELETE FROM uses WHERE environment = ?", (environment,))
                connection.execute("DELETE FROM known WHERE environment = ?", (environment,))


def _rows(environment: str, lock: Lock | None) -> list[tuple[str, str, str, str, str, int, str]]:
    systems = lock.systems if lock else {}
    return [
        (environment, found.ecosystem, found.name, found.version, system, found.size, found.license or "")
        for system, locked in systems.items()
        for found in locked.packages
    ]


def _event(recorded: Recorded) -> Event:
    change = recorded.change
    return Event(
        environment=change.environment,
        kind=change.kind,
        change=change.number,
        generation=change.generation,
        digest=change.digest,
        author=change.author,
        time=change.time,
        message=change.message,
        signed=bool(recorded.envelope.signatures),
    )
