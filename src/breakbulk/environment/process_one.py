"""Process 1 of a sandbox: builds the root, activates the environment, runs the command, and reaps.

It is the only process that the kernel ends everything with: when it ends, however it ends, so do all processes, mounts
and files of the run. It is killed with the process that started it, and ends by itself when the caller's is gone. Its
counterpart there is `attendance`; they talk over a `Channel`.

Once inside the root, Python's own files are out of sight: nothing may be imported there. What only some runs need is
imported by `_preload`, before the root changes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from breakbulk.environment import hooks, mounting, shells, signals
from breakbulk.environment.activation import variables
from breakbulk.environment.channel import Channel, Message, as_message, unforeseen
from breakbulk.environment.foreground import Foreground, Interrupted
from breakbulk.environment.identity import ensure_known
from breakbulk.environment.lookup import find_program
from breakbulk.environment.reactor import Reactor
from breakbulk.environment.signals import ExitStatus
from breakbulk.environment.specification import Launch
from breakbulk.environment.visibility import View
from breakbulk.errors import BreakbulkError
from breakbulk.store import linux

if TYPE_CHECKING:
    from breakbulk.environment.supervisor import Supervisor

__all__ = ["Birth", "serve"]

_OTHER_CACHE = "/var/cache/breakbulk"


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """What process 1 is born with.

    Attributes:
        launch: What to carry out.
        view: What is visible of this machine.
        channel: To the caller's process.
        signal_descriptor: Of `signals.held`.
        mask: Signal mask of programs.
        umask: Of programs.
        user: Whether this is in a user namespace.
        own_job: See `terminal`.
        has_terminal: Likewise.
        pts: See `mounting.enter`.

    """

    launch: Launch
    view: View
    channel: Channel
    signal_descriptor: int
    mask: signals.Mask
    umask: int
    user: bool
    own_job: bool
    has_terminal: bool
    pts: int | None = None


def serve(birth: Birth) -> None:
    """Carry out the launch and tell the caller how it ended; the process ends afterwards."""
    try:
        linux.set_process_name("breakbulk-init")
        os.umask(0o022)
        supervisor = _preload(birth.launch)
        mounting.enter(birth.launch.lowers, birth.view, user=birth.user, pts=birth.pts)
        _settle_in(birth)
        birth.channel.send(_told(_Run(birth, supervisor).carry_out()))
    except BreakbulkError as error:
        birth.channel.send({"error": as_message(error)})
    except Interrupted as interrupted:
        birth.channel.send(_told(ExitStatus.of_signal(interrupted.number)))
    except BaseException as error:  # noqa: BLE001 - a forked child must not run its parent's code
        birth.channel.send({"error": unforeseen(error)})


def _told(status: ExitStatus) -> Message:
    return {"exited": int(status), "signal": status.signal}


def _preload(launch: Launch) -> type[Supervisor] | None:
    """Import, and do, what must be before the root changes; return the supervisor where there are services."""
    if not launch.network:
        from breakbulk.environment.loopback import bring_up

        bring_up()
    if not launch.services and not launch.detached:
        return None
    from breakbulk.environment.supervisor import Supervisor

    return Supervisor


def _settle_in(birth: Birth) -> None:
    """Take what an ordinary process takes for granted: a name, a directory, the caller's umask."""
    host = birth.launch.host
    ensure_known(
        host.get("USER") or host.get("LOGNAME") or ("user" if os.getuid() else "root"), birth.view.home, "/bin/bash"
    )
    directory = str(birth.launch.directory)
    os.chdir(directory if os.path.isdir(directory) else "/")
    os.umask(birth.umask)


class _Run:
    """One launch, inside the root."""

    def __init__(self, birth: Birth, supervisor: type[Supervisor] | None) -> None:
        self._supervisor = supervisor
        self._launch = birth.launch
        self._home = birth.view.home
        self._channel = birth.channel
        self._mask = birth.mask
        self._reactor = Reactor(birth.signal_descriptor)
        self._reactor.watch(birth.channel.incoming, self._take_messages)
        self._foreground = Foreground(
            self._reactor, birth.channel, birth.mask, own_job=birth.own_job, has_terminal=birth.has_terminal
        )

    def carry_out(self) -> ExitStatus:
        """Activate, start services, run the command, and take all of it down again in reverse."""
        hook = self._launch.manifest.hook
        environment = variables(self._launch, self._home, _cache(self._launch))
        if hook.on_activate:
            environment = hooks.activate(hook.on_activate, environment, self._foreground.run)
        try:
            return self._run_with_services(environment)
        finally:
            if hook.on_deactivate and self._foreground.interrupted is None:
                self._deactivate(hook.on_deactivate, environment)

    def _run_with_services(self, environment: Mapping[str, str]) -> ExitStatus:
        if self._supervisor is None:
            return self._run_command(environment)
        with self._supervisor(self._reactor, self._launch, environment, self._mask, self._tell) as supervisor:
            supervisor.start(self._launch.services)
            self._wait(lambda: supervisor.settled(self._launch.services))
            if self._launch.detached:
                return self._keep(supervisor)
            supervisor.raise_failure(self._launch.services)
            return self._run_command(environment)

    def _keep(self, supervisor: Supervisor) -> ExitStatus:
        """Look after services that outlive their caller, until they are told to stop."""
        self._channel.send({"settled": supervisor.failure(self._launch.services)})
        self._wait(lambda: supervisor.dismissed)
        return ExitStatus()

    def _run_command(self, environment: Mapping[str, str]) -> ExitStatus:
        if self._launch.command is None:
            shell = shells.prepare(self._launch, environment)
            return self._foreground.run(shell.argv, shell.environment)
        name, *arguments = self._launch.command
        program = find_program(name, environment.get("PATH", ""))
        return self._foreground.run([program, *arguments], environment, name=name)

    def _deactivate(self, script: str, environment: Mapping[str, str]) -> None:
        status = hooks.deactivate(script, environment, self._foreground.run)
        if status:
            self._tell(f"hook.on-deactivate ended with status {status}")

    def _wait(self, done: Callable[[], bool]) -> None:
        self._reactor.run_until(lambda: done() or self._foreground.interrupted is not None)
        self._foreground.check_interrupted()

    def _tell(self, text: str) -> None:
        self._channel.send({"note": text})

    def _take_messages(self) -> None:
        for message in self._channel.receive():
            self._foreground.take(message)
        if self._channel.ended:
            os._exit(1)  # the caller is gone, and with this process everything else goes


def _cache(launch: Launch) -> str:
    """Make the directory for what an environment keeps between runs; a project that is read-only gets a passing one."""
    for path in (str(launch.cache), _OTHER_CACHE):
        try:
            os.makedirs(path, exist_ok=True)
        except PermissionError:
            continue
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
        else:
            return path
    return str(launch.cache)
