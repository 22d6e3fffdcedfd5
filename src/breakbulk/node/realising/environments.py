"""Make one environment of a hub present, and write the plan to mount it: `python -m` runs this.

It is a process of its own, so that the agent stays small and can end a realisation at any moment by killing it, which
the store counts on (`store.realise`). It says how far it has come (`orders`) and dies with the agent. The plan is
written when everything is there, and a collection has been told to spare it before that: so who finds a plan under the
store's lock finds what it names.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakbulk.hub.names import parse_reference
from breakbulk.library.remote import RemoteEnvironment
from breakbulk.node.realising.orders import Note, Progress, Realise, answering, say, unpacked
from breakbulk.node.realising.pinning import Target, pin_name
from breakbulk.node.realising.planning import plan_of
from breakbulk.store.bundle import merged
from breakbulk.store.faults import store_fault
from breakbulk.store.layout import Layout
from breakbulk.store.milestones import passed
from breakbulk.store.roots import pin

if TYPE_CHECKING:
    from breakbulk.node.records import MountPlan
    from breakbulk.reporting import Reporter, Task, Unit
    from breakbulk.store.realise import Realised

__all__ = ["realised"]

_SAY_EVERY_S = 0.2


def realised(order: Realise, reporter: Reporter) -> tuple[MountPlan, Realised]:
    """Make an environment present and write its plan; raises what resolving and realising raise, `StoreError`."""
    settings = unpacked(order.settings)
    remote = RemoteEnvironment(parse_reference(order.reference), settings, reporter)
    made = remote.realise()
    passed("node-realised")
    layout = Layout(settings.store)
    plan = plan_of(remote.recorded.change, remote.manifest, merged(layout, made.lowers, make=False))
    try:
        if order.pinned:
            pin(layout, pin_name(Target(plan.environment, plan.digest)), remote.lock)
            passed("node-pinned")
        os.makedirs(f"{order.state}/plans", mode=0o700, exist_ok=True)
        plan.write(order.state)
        passed("plan-written")
    except OSError as error:
        raise store_fault(error, Path(order.state), variable="BREAKBULK_STORE") from error
    return plan, made


class _Told:
    """Tells the agent: bytes that have arrived of all that are to, however many passes there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = self._total = 0
        self._phase = ""
        self._said_s = 0.0

    def begin(self, title: str, *, total: int | None = None, unit: Unit = "steps") -> Task:
        self._phase = title
        counts = unit == "bytes"
        self.count(0, (total or 0) if counts else 0)
        return _Part(self, counts=counts)

    def note(self, message: str) -> None:
        say(Note(message=message))

    def count(self, done: int, total: int) -> None:
        with self._lock:
            self._done += done
            self._total += total
            now = time.monotonic()
            if now - self._said_s < _SAY_EVERY_S and not total:
                return
            self._said_s = now
            line = Progress(done_bytes=max(self._done, 0), total_bytes=self._total, phase=self._phase)
        say(line)


class _Part:
    def __init__(self, told: _Told, *, counts: bool) -> None:
        self._told = told
        self._counts = counts

    def advance(self, amount: int = 1) -> None:
        self._told.count(amount if self._counts else 0, 0)

    def grow(self, amount: int) -> None:
        self._told.count(0, amount if self._counts else 0)

    def finish(self) -> None:
        pass


def _work(order: Realise) -> dict[str, Any]:
    plan, made = realised(order, _Told())
    return {"generation": plan.generation, "made": made.made, "bytes_downloaded": made.bytes_downloaded}


if __name__ == "__main__":
    answering(Realise, _work)
