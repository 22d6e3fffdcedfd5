"""Programs of this machine that are run to their end: `ip`, `iptables`, `ctr`, `kubectl`.

Whoever calls says what a failure means. They are looked for where administrators' tools are, too, as the PATH of an
ordinary user does not have those.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from breakbulk.errors import ClusterError, PlatformError

__all__ = ["SEARCH_PATH", "TOOLS", "Failure", "check_tools", "failed", "run", "try_run"]

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

TOOLS = {
    "ip": "iproute2",
    "iptables": "iptables",
    "mount": "mount",
    "nsenter": "util-linux",
    "umount": "mount",
    "unshare": "util-linux",
}
"""What this machine must have, and Debian's package of it; kubelet and kube-proxy call some of these themselves."""

_TIMEOUT_S = 120.0


class Failure(Exception):  # noqa: N818 - never reaches a user
    """A command that failed; `output` is what it said."""

    def __init__(self, arguments: tuple[str, ...], status: int, output: str) -> None:
        super().__init__(arguments, status, output)
        self.arguments = arguments
        self.status = status
        self.output = output


def check_tools() -> None:
    """Raise `PlatformError` (`tool-missing`) where this machine does not have all `TOOLS`."""
    missing = [name for name in TOOLS if shutil.which(name, path=SEARCH_PATH) is None]
    if missing:
        packages = sorted({TOOLS[name] for name in missing})
        raise PlatformError(
            f"a cluster needs {', '.join(missing)}",
            identifier="tool-missing",
            where=SEARCH_PATH,
            hint=f"apt-get install {' '.join(packages)}",
        )


def try_run(
    *arguments: str | os.PathLike[str], stdin: str | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Return what a command prints; raise `Failure`."""
    words = tuple(os.fspath(argument) for argument in arguments)
    ended = subprocess.run(
        words,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_TIMEOUT_S,
        check=False,
        env={"PATH": SEARCH_PATH, "LC_ALL": "C", **(environment or {})},
    )
    if ended.returncode:
        raise Failure(words, ended.returncode, (ended.stderr or ended.stdout).strip())
    return ended.stdout


def run(
    *arguments: str | os.PathLike[str], stdin: str | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Return what a command prints; raise `ClusterError` (`command-failed`) with what it said."""
    try:
        return try_run(*arguments, stdin=stdin, environment=environment)
    except Failure as failure:
        raise failed(failure) from failure


def failed(failure: Failure) -> ClusterError:
    """Return the error for a command that should not have failed."""
    return ClusterError(
        f"{Path(failure.arguments[0]).name} failed",
        identifier="command-failed",
        where=" ".join(failure.arguments)[:300],
        why=failure.output[-1000:] or f"it ended with status {failure.status} and said nothing",
    )
