"""What one pod wishes for, and how far it has come: one wish for each reference. No input or output.

    reference ──resolved──► target ──realised──► plan

A digest that a wish has once is never changed: what a pod got when it came it gets for as long as it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from breakbulk.errors import BreakbulkError
from breakbulk.node.agent.pods import Pod
from breakbulk.node.agent.queue import Waiter
from breakbulk.node.annotations import digest_of, environment_of
from breakbulk.node.realising.pinning import Target
from breakbulk.node.records import PodRecord

__all__ = ["Wish", "Work"]


class Wish:
    """One reference of a pod.

    Attributes:
        reference: As it is written.
        target: What it means; None until that is known.
        generation: Of the target, 0 until that is known.
        left_bytes: How much of it was missing when it was looked up.
        error: Why the last try failed.
        asked: Whether something has been begun for it.
        here: Whether it is present, pinned, and has a plan.

    """

    __slots__ = ("asked", "error", "generation", "here", "left_bytes", "reference", "target")

    def __init__(self, reference: str, digest: str | None = None) -> None:
        digest = digest or digest_of(reference)
        self.reference = reference
        self.target = Target(environment_of(reference), digest) if digest else None
        self.generation = 0
        self.left_bytes = 0
        self.error: BreakbulkError | None = None
        self.asked = False
        self.here = False

    @property
    def shown(self) -> str:
        """`owner/name:3`, or what is known of that."""
        if self.generation:
            return f"{environment_of(self.reference)}:{self.generation}"
        return self.reference.partition("@sha256:")[0]


class Work:
    """One pod. For the thread of the loop alone.

    Attributes:
        pod: As it was seen last.
        known: Whether the API server has told of it, and not the runtime handler alone.
        wishes: By reference.
        invalid: Why its annotations cannot be understood.
        arrived_s: When it came here, by the loop's clock.
        told_s: When its progress was told last; None for never.
        ready: Whether that it is ready has been told.
        realised: Whether something was made for it.
        askers: How many handlers wait for it.
        writing: Held by whoever writes its record.

    """

    def __init__(self, pod: Pod, arrived_s: float, digests: Mapping[str, str]) -> None:
        self.pod = pod
        self.known = False
        self.wishes: dict[str, Wish] = {}
        self.invalid: BreakbulkError | None = None
        self.arrived_s = arrived_s
        self.told_s: float | None = None
        self.ready = False
        self.realised = False
        self.askers = 0
        self.writing = asyncio.Lock()
        self._digests = dict(digests)
        self._listeners: set[asyncio.Future[None]] = set()

    @property
    def waiter(self) -> Waiter:
        """Who waits, for the queues."""
        return Waiter(name=self.pod.uid, priority=self.pod.priority)

    @property
    def targets(self) -> set[Target]:
        """What it holds, or is going to."""
        return {wish.target for wish in self.wishes.values() if wish.target}

    @property
    def record(self) -> PodRecord:
        """What is written down of it: every digest it ever had, as a sandbox keeps the annotations it began with."""
        known = {wish.reference: wish.target.digest for wish in self.wishes.values() if wish.target}
        return PodRecord(
            uid=self.pod.uid,
            namespace=self.pod.namespace,
            name=self.pod.name,
            digests=self._digests | known,
            grouped=list(self.pod.grouped),
            ephemeral=list(self.pod.ephemeral),
            strict=self.pod.strict,
            owned=list(self.pod.owned),
        )

    def want(self, references: Iterable[str]) -> None:
        """Add wishes for what there are none for yet."""
        for reference in references:
            if reference not in self.wishes:
                self.wishes[reference] = Wish(reference, self._digests.get(reference))
                self.ready = False

    def of(self, target: Target) -> list[Wish]:
        """Return the wishes that mean a target."""
        return [wish for wish in self.wishes.values() if wish.target == target]

    def error(self, references: Iterable[str]) -> BreakbulkError | None:
        """Return why one of these failed when it was tried last."""
        if self.invalid:
            return self.invalid
        return next((wish.error for name in references if (wish := self.wishes[name]).error and not wish.here), None)

    def has(self, references: Iterable[str]) -> bool:
        """Say whether all of these are here."""
        return all(self.wishes[name].here for name in references)

    def listen(self) -> asyncio.Future[None]:
        """Return what is done when something has changed."""
        future = asyncio.get_running_loop().create_future()
        self._listeners.add(future)
        return future

    def changed(self) -> None:
        """Wake whoever listens."""
        listeners, self._listeners = self._listeners, set()
        for future in listeners:
            if not future.done():
                future.set_result(None)
