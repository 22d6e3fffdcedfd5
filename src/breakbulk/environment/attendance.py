"""Wait for a run on the caller's behalf: pass on signals, stop when the command stops, tell how it ended.

Counterpart of `foreground` in process 1, over a `Channel`. Decisions about the terminal are `terminal`'s.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from breakbulk.environment import signals
from breakbulk.environment.channel import Channel, Message, rebuilt
from breakbulk.environment.reactor import Reactor
from breakbulk.environment.terminal import Terminal
from breakbulk.reporting import Reporter

__all__ = ["Attendance"]

_KEYS = {signal.SIGINT, signal.SIGQUIT}
_KILLED: Message = {"exited": 128 + signal.SIGKILL, "signal": signal.SIGKILL}
"""The outcome of a run whose process 1 was killed, and could not tell any more."""


class Attendance:
    """The caller's part in a run.

    Args:
        channel: To process 1.
        terminal: Of the caller.
        signal_descriptor: Of `signals.held`.
        reporter: Hears what process 1 notes.
        on_settled: See `sandbox.run`.

    """

    def __init__(
        self,
        channel: Channel,
        terminal: Terminal,
        signal_descriptor: int,
        reporter: Reporter,
        on_settled: Callable[[Message], None] | None,
    ) -> None:
        self._channel = channel
        self._terminal = terminal
        self._signals = signal_descriptor
        self._reporter = reporter
        self._on_settled = on_settled
        self._passed_on: set[int] = set()
        self._outcome = _KILLED
        self._child_ended = False
        self._end = -1
        self._reactor = Reactor(signal_descriptor, adopts=False)
        self._reactor.on_signal = self._pass_on
        self._reactor.watch(channel.incoming, self._take_messages)

    def wait(self, child: int) -> signals.ExitStatus:
        """Wait for `child`, the process between; return the command's status, or raise what kept it from running."""
        self._reactor.expect(child, self._take_end)
        self._end = os.pidfd_open(child)  # of a caller with threads, another one may be handed SIGCHLD
        self._reactor.watch(self._end, self._reactor.reap)
        self._reactor.run_until(lambda: self._child_ended and self._channel.ended)
        if "error" in self._outcome:
            raise rebuilt(self._outcome["error"])
        ended_by = self._outcome["signal"]
        if ended_by is None:
            return signals.ExitStatus(self._outcome["exited"])
        self._share_key(ended_by)
        return signals.ExitStatus.of_signal(ended_by)

    def _share_key(self, number: int) -> None:
        """Where the command alone had the terminal, let make or a script around us end by the same key."""
        if number in _KEYS - self._passed_on:
            self._terminal.tell_job(number)
            signals.read(self._signals)  # our own copy: the status says it

    def _take_end(self, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._child_ended = True
            self._reactor.unwatch(self._end)
            os.close(self._end)

    def _take_messages(self) -> None:
        for message in self._channel.receive():
            if "stopped" in message:
                self._stop_too(message["stopped"])
            elif "note" in message:
                self._reporter.note(message["note"])
            elif "settled" in message:
                if self._on_settled is not None:
                    self._on_settled(message)
            else:
                self._outcome = message
        if self._channel.ended:
            self._reactor.unwatch(self._channel.incoming)

    def _stop_too(self, number: int) -> None:
        wants_terminal = number in {signal.SIGTTIN, signal.SIGTTOU}
        if not (wants_terminal and self._terminal.foreground):
            self._terminal.suspend()
        self._channel.send({"continue": self._terminal.give()})

    def _pass_on(self, arrived: signals.Arrived) -> None:
        if arrived.number == signal.SIGCONT:
            self._channel.send({"continue": self._terminal.give()})
        elif arrived.number in signals.FORWARDED and (self._terminal.own_job or not arrived.from_terminal):
            self._passed_on.add(arrived.number)
            self._channel.send({"signal": arrived.number, "job": arrived.from_terminal})
