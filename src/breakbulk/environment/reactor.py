"""One thread that waits for everything at once: descriptors, signals, ended children and points in time.

Small on purpose: process 1 of every sandbox runs it, and importing asyncio would cost more than the rest of a start.
Callbacks run to completion, one after the other, and never wait.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import signal
import time
from collections.abc import Callable

from breakbulk.environment import signals

__all__ = ["Reactor"]


class Reactor:
    """Dispatch what happens.

    Args:
        signal_descriptor: Of `signals.held`.
        adopts: Reap every child, also orphans, as process 1 must; otherwise only those that are expected.

    """

    def __init__(self, signal_descriptor: int, *, adopts: bool = True) -> None:
        self._adopts = adopts
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._children: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.on_signal: Callable[[signals.Arrived], None] | None = None
        self._signals = signal_descriptor
        self.watch(signal_descriptor, self._take_signals)

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call back whenever `descriptor` can be read, or its other end is gone."""
        self._readers[descriptor] = callback
        self._poll.register(descriptor, select.POLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching; before the descriptor is closed."""
        del self._readers[descriptor]
        self._poll.unregister(descriptor)

    def expect(self, child: int, callback: Callable[[int], None]) -> None:
        """Call back with the wait status when `child` has ended or stopped."""
        self._children[child] = callback

    def at(self, moment: float, callback: Callable[[], None]) -> None:
        """Call back at `moment` (`time.monotonic`), or soon after."""
        heapq.heappush(self._timers, (moment, next(self._numbers), callback))

    def run_until(self, done: Callable[[], bool]) -> None:
        """Dispatch until `done`."""
        while not done():
            self._turn()

    def _turn(self) -> None:
        for descriptor, _events in self._poll.poll(self._wait_ms()):
            callback = self._readers.get(descriptor)  # an earlier callback of this turn may have unwatched it
            if callback is not None:
                callback()
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _wait_ms(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, (self._timers[0][0] - time.monotonic()) * 1000 + 1)

    def _take_signals(self) -> None:
        for arrived in signals.read(self._signals):
            if arrived.number == signal.SIGCHLD:
                self.reap()
            elif self.on_signal is not None:
                self.on_signal(arrived)

    def reap(self) -> None:
        """Take every child that has ended or stopped; one signal may stand for many."""
        targets = [-1] if self._adopts else list(self._children)
        for target in targets:
            while self._reap_one(target):
                pass

    def _reap_one(self, target: int) -> bool:
        try:
            child, status = os.waitpid(target, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return False
        callback = self._children.get(child)
        if callback is not None:
            if not os.WIFSTOPPED(status):
                del self._children[child]
            callback(status)
        return child != 0
