"""Can this machine run containers from packages at all: kernel, privileges, clock.

Pure functions of a `Machine`, which `Machine.read` takes from the running kernel.
Sources: Documentation/filesystems/overlayfs.rst; mount_setattr(2); capabilities(7); adjtimex(2).
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.checks import Check
from breakbulk.node.examining.verdicts import failed, passed, unknown, warning
from breakbulk.store.linux import CAP_SYS_ADMIN

__all__ = ["CAP_SYS_RESOURCE", "Machine", "effective_capabilities", "machine_checks", "privileges_check"]

CAP_SYS_RESOURCE = 24

_LAYERS_SINCE = (6, 8)
_IDMAPPED_SINCE = (5, 19)
_OLDEST = (5, 11)
_TIME_ERROR = 5
_TIMEX_BYTES = 512  # more than `struct timex` has anywhere; all zero asks and sets nothing


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel says of itself.

    Attributes:
        release: As `uname -r`.
        filesystems: `/proc/filesystems`.
        user: Effective user id.
        capabilities: Effective ones of this process, a bit mask.
        now_s: Seconds since the epoch.
        written_s: When this very program was written: no clock that is right says less.
        synchronised: Whether something keeps the clock right, None when the kernel does not tell.

    """

    release: str
    filesystems: str
    user: int
    capabilities: int
    now_s: float
    written_s: float
    synchronised: bool | None

    @classmethod
    def read(cls) -> Machine:
        """Return this machine."""
        return cls(
            release=os.uname().release,
            filesystems=_text("/proc/filesystems"),
            user=os.geteuid(),
            capabilities=effective_capabilities("self") or 0,
            now_s=time.time(),
            written_s=Path(__file__).stat().st_mtime,
            synchronised=_synchronised(),
        )

    @property
    def version(self) -> tuple[int, int]:
        """Of the kernel; suffixes of vendors (`5.14.0-427.el9`) do not matter."""
        major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in f"{self.release}.0".split(".")[:2])
        return major, minor


def machine_checks(machine: Machine) -> Iterator[Check]:
    """Yield what there is to say of a machine."""
    yield _overlay(machine)
    yield _kernel(machine)
    yield _clock(machine)


def effective_capabilities(process: int | str) -> int | None:
    """Return the effective capabilities of a process as a bit mask, None when it cannot be seen."""
    for line in _text(f"/proc/{process}/status").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return None


def privileges_check(machine: Machine) -> Check:
    """Say whether whoever asks may look at a node, and mount something as it does."""
    what = "root with CAP_SYS_ADMIN"
    if machine.user != 0:
        return failed("privileges", what, "whoever examines a node has to be root", "run `sudo breakbulk node doctor`")
    if not machine.capabilities >> CAP_SYS_ADMIN & 1:
        return failed(
            "privileges",
            what,
            "this process may not mount anything",
            "run on the node itself, or in a container with `privileged: true`",
        )
    return passed("privileges", what)


def _overlay(machine: Machine) -> Check:
    names = {line.split()[-1] for line in machine.filesystems.splitlines() if line.strip()}
    if "overlay" in names:
        return passed("overlay", "the kernel has overlayfs")
    return failed(
        "overlay",
        "the kernel has overlayfs",
        "`/proc/filesystems` does not name it",
        "`modprobe overlay`, and `echo overlay > /etc/modules-load.d/overlay.conf` for the next boot",
    )


def _kernel(machine: Machine) -> Check:
    what = f"Linux {machine.release}"
    if machine.version < _OLDEST:
        return failed("kernel", what, "the mounts of containers need Linux 5.11", "install a newer kernel")
    missing = []
    if machine.version < _IDMAPPED_SINCE:
        missing.append("pods in user namespaces (`hostUsers: false`) need Linux 5.19")
    if machine.version < _LAYERS_SINCE:
        missing.append("before Linux 6.8 mounts do not tell what they use, so less can be removed from the store")
    if missing:
        fix = "a newer kernel, where that matters; everything else works"
        return warning("kernel", what, "; ".join(missing), fix)
    return passed("kernel", what)


def _clock(machine: Machine) -> Check:
    what = "the clock is right"
    if machine.now_s < machine.written_s:
        return failed(
            "clock",
            what,
            "it is earlier than this program was installed: no certificate would be valid",
            "set it, and have chrony or systemd-timesyncd keep it right",
        )
    if machine.synchronised is False:
        return warning(
            "clock",
            what,
            "nothing keeps it right, as far as the kernel knows",
            "`systemctl enable --now systemd-timesyncd`, or chrony",
        )
    if machine.synchronised is None:
        return unknown("clock", what, "the kernel does not tell")
    return passed("clock", what)


def _synchronised() -> bool | None:
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
