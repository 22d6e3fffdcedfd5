"""Copy a log from one hub to another byte for byte, so that its signatures stay what they are.

Guarantees: entries are recorded oldest first and never over others; a log that is another one there is left alone
(`mirror-diverged`), and one that goes on there is no other. Counterpart: `mirror`, which brings what entries refer to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from breakbulk.errors import HubError
from breakbulk.hub.log import Log
from breakbulk.hub.objects import Objects
from breakbulk.hub.policy import read_policy, requires_signatures
from breakbulk.hub.statements import Envelope
from breakbulk.store.milestones import passed

__all__ = ["CopiedLog", "Kept"]

_ENTRY_MAX_BYTES = 8 << 20


class Kept(Protocol):
    """An entry as a hub has it: a change, or a publication."""

    @property
    def envelope(self) -> Envelope:
        """What it came in."""

    @property
    def sha256(self) -> str:
        """Of the envelope's bytes."""


class CopiedLog:
    """One log that is copied.

    Args:
        source, target: The places.
        prefix: Of the log, on both.
        name: Of whom it tells.
        entries: All that the source has of it, oldest first, each the one that its successor followed.

    Attributes:
        there: How many of them the target has.

    Raises:
        HubError: `mirror-diverged`, the target has another log; and as the backends.

    """

    def __init__(self, source: Objects, target: Objects, prefix: str, name: str, entries: Sequence[Kept]) -> None:
        self._source = source
        self._target = target
        self._log = Log(target, prefix, name)
        self._name = name
        self._entries = entries
        self._last = self._log.last_number()
        self.there = min(self._last, len(entries))
        if self.there and self._sha256_there(self.there) != entries[self.there - 1].sha256:
            raise self._diverged(self.there)

    @property
    def length(self) -> int:
        """How many entries the target has once all are recorded."""
        return max(self._last, len(self._entries))

    @property
    def new(self) -> int:
        """How many are to be recorded."""
        return len(self._entries) - self.there

    def record(self) -> None:
        """Record what the target lacks, whose objects are there.

        Raises:
            HubError: `hub-requires-signatures`; `mirror-diverged`, somebody was quicker; and as the backends.

        """
        if not self.new:
            return
        required = read_policy(self._target).require_signatures
        for number, entry in enumerate(self._entries[self.there :], self.there + 1):
            if required and not entry.envelope.signatures:
                raise requires_signatures(f"{self._name} on {self._target.url}")
            if not self._log.create(number, self._source.get(self._log.key(number), limit_bytes=_ENTRY_MAX_BYTES)):
                raise self._diverged(number)
            passed("mirror-change-recorded")
        self._target.settle()

    def _sha256_there(self, number: int) -> str:
        data = self._target.get(self._log.key(number), limit_bytes=_ENTRY_MAX_BYTES)
        return hashlib.sha256(data).hexdigest()

    def _diverged(self, number: int) -> HubError:
        return HubError(
            f"{self._name} has another history there",
            identifier="mirror-diverged",
            where=f"{self._name}, change {number} on {self._target.url}",
            why="somebody pushed to it there, or the two never were one",
            hint="mirror to a hub that nobody pushes to, or give it another name there",
        )
