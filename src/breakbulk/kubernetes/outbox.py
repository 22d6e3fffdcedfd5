"""Which events wait to be written, and when each may go: the pure half of `events`.

Of one object and reason there is one event in the cluster, whose message is the newest and whose count rises, as
kubelet's own back-off messages do it. So waiting events of one object and reason become one, and what is limited is
how often that one is written: a few at once, then one each `refill_s`. Of one subject the newest message is the one
that is written. When too much waits, what has waited longest goes, and is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import msgspec

from breakbulk.kubernetes.kinds import ObjectReference

__all__ = ["Notice", "Outbox", "Subject", "Type"]

Type = Literal["Normal", "Warning"]
Subject = tuple[ObjectReference, Type, str]
"""Object, type and reason: what one event in the cluster is about."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written.

    Attributes:
        subject: What it is about.
        message: The newest.
        count: How often it happened since it was last written.

    """

    subject: Subject
    message: str
    count: int = 1


class _Allowance:
    """A token bucket."""

    __slots__ = ("full_at_s",)

    def __init__(self) -> None:
        self.full_at_s = float("-inf")

    def ready_in_s(self, now_s: float, burst: int, refill_s: float) -> float:
        return max(0.0, self.full_at_s - (burst - 1) * refill_s - now_s)

    def take(self, now_s: float, refill_s: float) -> None:
        self.full_at_s = max(self.full_at_s, now_s) + refill_s


class Outbox:
    """Notices that wait; times are seconds of any clock that does not go back.

    Args:
        most: Notices that wait at once; allowances that are remembered.
        burst: Writes of one subject without waiting.
        refill_s: Between writes after these.

    """

    def __init__(self, *, most: int = 500, burst: int = 4, refill_s: float = 15.0) -> None:
        self._most = most
        self._burst = burst
        self._refill_s = refill_s
        self._waiting: OrderedDict[Subject, Notice] = OrderedDict()
        self._allowances: OrderedDict[Subject, _Allowance] = OrderedDict()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, subject: Subject, message: str, *, count: int = 1) -> None:
        """Let something be written; a message that waits for the same subject is replaced and counted."""
        before = self._waiting.get(subject)
        self._waiting[subject] = Notice(subject=subject, message=message, count=count + (before.count if before else 0))
        while len(self._waiting) > self._most:
            _, notice = self._waiting.popitem(last=False)
            self.dropped += notice.count

    def put_back(self, notice: Notice) -> None:
        """Let a notice that could not be written wait again, behind what was said of its subject since."""
        newer = self._waiting.get(notice.subject)
        self.put(notice.subject, newer.message if newer else notice.message, count=notice.count)

    def take(self, now_s: float) -> Notice | None:
        """Return what has waited longest of what may go now, None when nothing may."""
        for subject, notice in self._waiting.items():
            if self._allowance(subject).ready_in_s(now_s, self._burst, self._refill_s) == 0.0:
                self._allowance(subject).take(now_s, self._refill_s)
                del self._waiting[subject]
                return notice
        return None

    def ready_in_s(self, now_s: float) -> float | None:
        """Return in how many seconds something may go, None when nothing waits."""
        delays = [self._allowance(subject).ready_in_s(now_s, self._burst, self._refill_s) for subject in self._waiting]
        return min(delays, default=None)

    def drain(self) -> list[Notice]:
        """Return everything that waits, whatever its allowance, and wait for nothing any more."""
        everything = list(self._waiting.values())
        self._waiting.clear()
        return everything

    def _allowance(self, subject: Subject) -> _Allowance:
        """Return the allowance of a subject; who was not heard of for long is forgotten and begins with a full one."""
        allowance = self._allowances.setdefault(subject, _Allowance())
        self._allowances.move_to_end(subject)
        while len(self._allowances) > 2 * self._most:
            self._allowances.popitem(last=False)
        return allowance
