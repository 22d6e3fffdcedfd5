"""What this machine has seen of histories: of each environment and package of a hub the newest change.

A hub can say less today than it said yesterday, and every change that is left can be as whole as it was: a machine that
remembers notices. In the store, `seen/hubs/<hub>/<owner>/<name>` has what was last run, and `seen/packages/...` what
was last locked. It only ever moves forwards, whatever processes do so at once, until somebody takes what the hub says
now for the truth: `breakbulk verify --accept`, or, of a package, removing the file.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from breakbulk.errors import IntegrityError, NotFoundError
from breakbulk.hub.exclusive import exclusively
from breakbulk.hub.hub import Hub
from breakbulk.hub.records import Recorded
from breakbulk.lock.replacing import replace_file

__all__ = ["Histories", "Sighting", "has_lost"]

_DIRECTORIES = {"environments": "hubs", "packages": "packages"}


class Sighting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The newest change that was seen: its number, its envelope's SHA-256, and the generation it made live.

    A publication makes no generation live.
    """

    number: int
    sha256: str
    generation: int | None = None

    @classmethod
    def of(cls, recorded: Recorded) -> Sighting:
        """Return what is remembered of a change."""
        change = recorded.change
        return cls(number=change.number, generation=change.generation, sha256=recorded.sha256)


class Histories:
    """What was seen of the environments on one hub, or of the packages.

    Args:
        store: Directory that remembers.
        url: Of the hub.
        kind: Of what.

    """

    def __init__(self, store: Path, url: str, kind: Literal["environments", "packages"] = "environments") -> None:
        self._url = url
        hub = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._directory = store / "seen" / _DIRECTORIES[kind] / hub
        self._kind = kind

    def path(self, name: str) -> Path:
        """Return the file that remembers `owner/name`."""
        return self._directory / name

    def last(self, name: str) -> Sighting | None:
        """Return what was seen last of `owner/name`; raise `IntegrityError` `seen-damaged`."""
        try:
            return msgspec.json.decode(self.path(name).read_bytes(), type=Sighting)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise IntegrityError(
                f"what this machine remembers of {name} cannot be read",
                identifier="seen-damaged",
                where=str(self.path(name)),
                why=str(error),
                hint=self._way_out(name),
            ) from error

    def rewound(self, name: str, why: str, besides: str = "") -> IntegrityError:
        """Return the error for a hub that has lost what was seen of `owner/name`; `besides` goes before the way out."""
        return IntegrityError(
            f"the hub has taken back what it said of {name}",
            identifier="history-rewound",
            where=f"{self._url}, {name}",
            why=why,
            hint=f"ask who keeps the hub; {besides}{self._way_out(name)}",
        )

    def _way_out(self, name: str) -> str:
        way = f"`breakbulk verify {name} --accept`" if self._kind == "environments" else f"removing {self.path(name)}"
        return f"{way} takes what the hub says now for the truth"

    def remember(self, name: str, sighting: Sighting) -> None:
        """Keep a change unless a newer one is known. Raises `OSError`; `IntegrityError` `seen-damaged`."""
        if self.last(name) == sighting:
            return
        with exclusively(self._directory / ".lock"):
            known = self.last(name)
            if known is None or known.number < sighting.number:
                self._write(name, sighting)

    def accept(self, name: str, sighting: Sighting) -> None:
        """Keep a change whatever is known. Raises `OSError`."""
        with exclusively(self._directory / ".lock"):
            self._write(name, sighting)

    def _write(self, name: str, sighting: Sighting) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path(name), msgspec.json.encode(sighting), 0o644)


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
