"""What containerd says of itself: its version, what it makes of its configuration, whether it answers and since when.

The program itself is asked (`containerd config dump`), because no reading of the files can tell what a given version
makes of them. Nothing is changed here. Counterparts: `runtimes` understands the answers, `registration` writes.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import time
import tomllib
from pathlib import Path

import msgspec

from breakbulk.errors import PlatformError
from breakbulk.node.installing.runtimes import Merged

__all__ = ["Answering", "answering", "merged", "version"]

_TIMEOUT_S = 30.0
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")
_PEER = struct.Struct("3i")


class Answering(msgspec.Struct, frozen=True, kw_only=True):
    """A containerd that runs.

    Attributes:
        process: Id of it.
        started_s: When it was started, in seconds since the epoch.

    """

    process: int
    started_s: float


def version(containerd: Path) -> tuple[int, int, int]:
    """Return the version of a containerd; raise `PlatformError` (`containerd-missing`)."""
    told = _asked(containerd, "--version")
    found = _VERSION.search(told.stdout)
    if told.returncode != 0 or found is None:
        raise _missing(containerd, told.stderr.strip() or "it does not tell its version")
    return int(found[1]), int(found[2]), int(found[3])


def merged(containerd: Path, configuration: Path) -> Merged:
    """Return what containerd makes of a file and of all that it imports; of its defaults where there is no such file.

    Raises:
        PlatformError: `containerd-missing`; `containerd-config-refused` with what containerd has against it.

    """
    arguments = ("--config", str(configuration), "config", "dump") if configuration.exists() else ("config", "default")
    told = _asked(containerd, *arguments)
    if told.returncode != 0:
        raise refused(configuration, _last_line(told.stderr))
    try:
        return Merged(tomllib.loads(told.stdout))
    except tomllib.TOMLDecodeError as error:
        raise refused(configuration, f"what it prints is no TOML: {error}") from error


def answering(address: Path) -> Answering | None:
    """Return the containerd that listens at a socket, None when none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(5.0)
        try:
            connection.connect(str(address))
            process, _, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            return Answering(process=process, started_s=_started_s(process))
        except OSError:
            return None


def refused(configuration: Path, why: str) -> PlatformError:
    """Return the error of a configuration that does not come to what it should."""
    return PlatformError(
        "containerd does not take this configuration",
        identifier="containerd-config-refused",
        where=str(configuration),
        why=why,
        hint=f"see `containerd --config {configuration} config dump`, mend the file, and install again",
    )


def _asked(containerd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(containerd), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            env={"PATH": os.defpath},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing(containerd, getattr(error, "strerror", None) or "it does not answer") from error


def _missing(containerd: Path, why: str) -> PlatformError:
    return PlatformError(
        "there is no containerd that could be asked",
        identifier="containerd-missing",
        where=str(containerd),
        why=why,
        hint="install containerd 1.7 or newer, or name the program with `--containerd`",
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it does not say why"


def _started_s(process: int) -> float:
    """Return when a process was started; field 22 of proc_pid_stat(5), in ticks since the machine was booted."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - age_s
