"""What can be realised and launched, wherever it is declared: in a directory (`Environment`) or on a hub (`remote`).

The parts that do the work are imported by the methods that need them, as `launch` is on the way to every command that
a user starts.
"""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.errors import LockError, PlatformError
from breakbulk.lock.model import Lock, LockedSystem
from breakbulk.manifest.schema import Manifest
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.library.services import Services
    from breakbulk.store.realise import Realised

__all__ = ["Runnable", "running_system"]


def running_system() -> str:
    """Return the system of this machine, such as `x86_64-linux`; raise `PlatformError` where none of ours is."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if platform.system() != "Linux" or machine not in {"x86_64", "aarch64"}:
        raise PlatformError(
            f"environments do not run on {platform.system()} {machine}",
            identifier="system-unsupported",
            hint="use a Linux machine or virtual machine with x86_64 or aarch64",
        )
    return f"{machine}-linux"


class Runnable(ABC):
    """An environment that can be realised and launched.

    Args:
        settings: Of this process.
        reporter: Who is told of progress.

    """

    def __init__(self, settings: Settings, reporter: Reporter) -> None:
        self.settings = settings
        self.reporter = reporter

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is declared, for documents and errors: the manifest's path, or the reference on a hub."""

    @property
    @abstractmethod
    def directory(self) -> Path:
        """The project, which commands see at its own path."""

    @property
    @abstractmethod
    def state(self) -> Path:
        """Where is kept what can be had again: cache, logs of services, their socket."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the prompt shows."""

    @property
    @abstractmethod
    def manifest(self) -> Manifest:
        """Composed."""

    @abstractmethod
    def read_lock(self) -> Lock | None:
        """Return the lock as it is, None when there is none yet."""

    @abstractmethod
    def outdated(self, lock: Lock | None) -> str | None:
        """Return why `lock` no longer says what the manifest asks for, None when it does."""

    @abstractmethod
    def realise(self) -> Realised:
        """Make every package of this machine's system present in the store, and the base package with them."""

    def launch(
        self,
        command: Sequence[str] | None,
        *,
        services: Sequence[str] = (),
        mounts: Sequence[str] = (),
        pure: bool = False,
        network: bool = True,
        environment: Mapping[str, str] | None = None,
        realised: Realised | None = None,
    ) -> int:
        """Run a command in the environment, or a shell when `command` is None, and return its exit status.

        Forks: call it from a process with one thread.

        Args:
            command: Program and arguments; the program is looked up in the environment's PATH.
            services: Names of services to start before, and to end after, in the same sandbox.
            mounts: `PATH[:TARGET][:ro]`, directories of this machine to show.
            pure: Show neither the home directory nor the caller's variables.
            network: False gives the command loopback only.
            environment: Variables of the caller, by default those of the settings.
            realised: What `realise` gave, when it has been called already.

        """
        from breakbulk.environment.launching import launch

        realised = realised or self.realise()
        self._about_to_launch(realised)
        return launch(
            self,
            realised.lowers,
            command,
            services=services,
            mounts=mounts,
            pure=pure,
            network=network,
            environment=self.settings.environment if environment is None else environment,
        )

    @property
    def services(self) -> Services:
        """The services of the environment, which run in the background."""
        from breakbulk.library.services import Services

        return Services(self)

    def _about_to_launch(self, realised: Realised) -> None:  # noqa: B027 - nothing is to be done for most
        """Do what a launch needs beside the packages."""

    def _locked_system(self, lock: Lock) -> LockedSystem:
        system = running_system()
        if system not in lock.systems:
            raise LockError(
                f"the lock has no section for {system}",
                identifier="system-not-locked",
                where=self.place,
                why=f"options.systems asks for {', '.join(lock.systems)}",
                hint=f'add "{system}" to options.systems and run `breakbulk lock`',
            )
        from breakbulk.store.processor import for_this_machine

        return for_this_machine(lock.systems[system], self.settings)
