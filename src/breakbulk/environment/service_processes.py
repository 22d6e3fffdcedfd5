"""The processes, output and readiness of one service: the effects that `supervisor` is asked for.

Whatever the service and its shutdown command write goes to its log. A look whether it is ready leaves no trace there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence

from breakbulk.environment import shepherd, signals
from breakbulk.environment.reactor import Reactor
from breakbulk.environment.service_logs import LogFile
from breakbulk.manifest.schema import Service

__all__ = ["ServiceProcess"]

_CONNECT_TIMEOUT_S = 0.2


class ServiceProcess:
    """One service, running or not.

    Args:
        service: What the manifest says.
        log: Where its output goes.
        shell: Program and options in front of a command.
        environment: Its variables.
        directory: Where it starts.
        mask: Signal mask of programs.
        reactor: Of this process.

    """

    def __init__(
        self,
        service: Service,
        log: LogFile,
        *,
        shell: Sequence[str],
        environment: Mapping[str, str],
        directory: str,
        mask: signals.Mask,
        reactor: Reactor,
    ) -> None:
        self._service = service
        self._shell = shell
        self._environment = environment
        self._directory = directory
        self._mask = mask
        self._reactor = reactor
        self._shepherd: int | None = None
        self._aides: set[int] = set()
        self.log = log

    @property
    def main(self) -> int | None:
        """The oldest process of the service, by its number in this process namespace."""
        return next(iter(shepherd.descendants(self._shepherd)), None) if self._shepherd else None

    def spawn(self, *, on_forked: Callable[[], None], on_ended: Callable[[int], None]) -> None:
        """Start the command."""
        output, report = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            shepherd.tend(
                [*self._shell, self._service.command],
                self._environment,
                self._directory,
                is_daemon=self._service.is_daemon,
                output=output[1],
                report=report[1],
                mask=self._mask,
            )
        os.close(output[1])
        os.close(report[1])
        self._shepherd = child
        drain = self._watch(output[0], self.log.write)
        self._watch(report[0], lambda _told: on_forked())
        self._reactor.expect(child, lambda status: self._take_end(status, drain, on_ended))

    def terminate(self) -> None:
        """Ask the service to end, as the manifest says or with SIGTERM."""
        self._end_aides()
        if self._service.shutdown is None:
            self._signal(signal.SIGTERM)
        else:
            self._start_aide(self._service.shutdown.command, self._take_shutdown_end, logged=True)

    def kill(self) -> None:
        """Kill every process of the service."""
        self._end_aides()
        self._signal(signal.SIGUSR2)

    def probe(self, on_ended: Callable[[bool], None]) -> None:
        """Look once whether the service is ready; `on_ended` is called later, never from here."""
        ready = self._service.ready
        if ready is not None and ready.command is not None:
            self._start_aide(ready.command, lambda status: on_ended(status == 0), logged=False)
        elif ready is not None and ready.port is not None:
            listening = _listens(ready.port)
            self._reactor.at(0.0, lambda: on_ended(listening))

    def _take_end(self, status: int, drain: Callable[[], None], on_ended: Callable[[int], None]) -> None:
        if os.WIFSTOPPED(status):
            return
        drain()
        self._shepherd = None
        self._end_aides()
        on_ended(signals.status_code(status))

    def _take_shutdown_end(self, status: int) -> None:
        if status:
            self.log.note(f"the shutdown command ended with status {status}")

    def _signal(self, number: int) -> None:
        if self._shepherd is not None:
            os.kill(self._shepherd, number)  # until it is reaped, the number stays its own

    def _start_aide(self, command: str, on_ended: Callable[[int], None], *, logged: bool) -> None:
        """Run a command beside the service."""
        output = os.pipe()
        child = os.fork()
        if child == 0:
            shepherd.become([*self._shell, command], self._environment, self._directory, output[1], self._mask)
        os.close(output[1])
        self._aides.add(child)
        drain = self._watch(output[0], self.log.write if logged else lambda _data: None)

        def take_end(status: int) -> None:
            if not os.WIFSTOPPED(status):
                drain()
                self._aides.discard(child)
                on_ended(signals.status_code(status))

        self._reactor.expect(child, take_end)

    def _end_aides(self) -> None:
        for child in self._aides:
            for end in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError):  # its group is made by itself, so it may not exist yet
                    end(child, signal.SIGKILL)

    def _watch(self, descriptor: int, take: Callable[[bytes], object]) -> Callable[[], None]:
        """Hand on what is written to a pipe; return what reads all there is now."""
        os.set_blocking(descriptor, False)
        is_open = True

        def read() -> None:
            nonlocal is_open
            with contextlib.suppress(BlockingIOError):
                while is_open:
                    data = os.read(descriptor, 65536)
                    if data:
                        take(data)
                    else:
                        is_open = False
                        self._reactor.unwatch(descriptor)
                        os.close(descriptor)

        self._reactor.watch(descriptor, read)
        return read


def _listens(port: int) -> bool:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(_CONNECT_TIMEOUT_S)
            client.connect((host, port))
            return True
    return False
