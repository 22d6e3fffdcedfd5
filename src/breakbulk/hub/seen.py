"""What this machine has seen of histories: of each environment of a hub the newest change, by number and SHA-256.

A hub can say less today than it said yesterday, and every change that is left can be as whole as it was: a machine that
remembers notices. `seen/<hub>/<owner>/<name>` in the store has what was last run; it only ever moves forwards, whatever
processes do so at once, until `breakbulk verify --accept` takes what the hub says now for the truth.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from breakbulk.errors import IntegrityError, NotFoundError
from breakbulk.hub.exclusive import exclusively
from breakbulk.hub.hub import Hub
from breakbulk.hub.records import Recorded
from breakbulk.lock.replacing import replace_file

__all__ = ["Histories", "Sighting", "has_lost"]


class Sighting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest change that was seen: its number, the generation it made live, and its envelope's SHA-256."""

    number: int
    generation: int
    sha256: str

    @classmethod
    def of(cls, recorded: Recorded) -> Sighting:
        """Return what is remembered of a change."""
        change = recorded.change
        return cls(number=change.number, generation=change.generation, sha256=recorded.sha256)


class Histories:
    """What was seen of the environments on one hub.

    Args:
        store: Directory that remembers.
        url: Of the hub.

    """

    def __init__(self, store: Path, url: str) -> None:
        self._directory = store / "seen" / "hubs" / hashlib.sha256(url.encode()).hexdigest()[:16]

    def last(self, environment: str) -> Sighting | None:
        """Return what was seen last of `owner/name`; raise `IntegrityError` `seen-damaged`."""
        path = self._directory / environment
        try:
            return msgspec.json.decode(path.read_bytes(), type=Sighting)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise IntegrityError(
                f"what this machine remembers of {environment} cannot be read",
                identifier="seen-damaged",
                where=str(path),
                why=str(error),
                hint=f"`breakbulk verify {environment} --accept` takes what the hub says now for the truth",
            ) from error

    def remember(self, recorded: Recorded) -> None:
        """Keep a change unless a newer one is known. Raises `OSError`; `IntegrityError` `seen-damaged`."""
        sighting, environment = Sighting.of(recorded), recorded.change.environment
        if self.last(environment) == sighting:
            return
        with exclusively(self._directory / ".lock"):
            known = self.last(environment)
            if known is None or known.number < sighting.number:
                self._write(environment, sighting)

    def accept(self, recorded: Recorded) -> None:
        """Keep a change whatever is known. Raises `OSError`."""
        with exclusively(self._directory / ".lock"):
            self._write(recorded.change.environment, Sighting.of(recorded))

    def _write(self, environment: str, sighting: Sighting) -> None:
        path = self._directory / environment
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.encode(sighting), 0o644)


def has_lost(hub: Hub, newest: Recorded, sighting: Sighting) -> str | None:
    """Say what a hub whose newest change is `newest` has lost of what was seen; None when it goes on from there.

    Asks for one change more when the history has grown by more than one.
    """
    change = newest.change
    if change.number < sighting.number:
        return f"change {sighting.number} was seen here, and the newest on the hub is {change.number}"
    if _sha256(hub, newest, sighting.number) != sighting.sha256:
        return f"change {sighting.number} is not the one that was seen here"
    return None


def _sha256(hub: Hub, newest: Recorded, number: int) -> str | None:
    """Return the SHA-256 of a change: of the newest one and of its parent it is known."""
    change = newest.change
    if number == change.number:
        return newest.sha256
    if number == change.number - 1:
        return change.parent
    try:
        return hub.recorded(change.environment, number).sha256
    except NotFoundError:
        return None
