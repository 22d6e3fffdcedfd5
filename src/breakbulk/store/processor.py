"""What this machine's processor can do, and the packages that it therefore takes."""

from __future__ import annotations

from pathlib import Path

from breakbulk.errors import UsageError
from breakbulk.lock.model import LockedSystem
from breakbulk.lock.variants import LEVELS, chosen_of, level_of
from breakbulk.settings import Settings

__all__ = ["for_this_machine", "running_level"]

_CPUINFO = Path("/proc/cpuinfo")


def for_this_machine(system: LockedSystem, settings: Settings) -> LockedSystem:
    """Return a system of a lock with the archives that this machine takes; the machine is asked only if it counts.

    Raises:
        PlatformError: `cpu-unsupported`.
        UsageError: `cpu-unknown`: BREAKBULK_CPU is no level.

    """
    if all(package.cpu is None for package in system.packages):
        return system
    return chosen_of(system, running_level(settings))


def running_level(settings: Settings) -> str:
    """Return the level of x86-64 that counts: the configured one, else that of all processors of this machine."""
    if settings.cpu:
        if settings.cpu not in LEVELS:
            raise UsageError(
                f"BREAKBULK_CPU is no level of x86-64: {settings.cpu}",
                identifier="cpu-unknown",
                hint=f"the levels are {', '.join(LEVELS)}",
            )
        return settings.cpu
    lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = [frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")]
    return level_of(frozenset.intersection(*flags) if flags else ())
