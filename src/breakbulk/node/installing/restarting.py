"""Restart containerd once, and only when what it runs with is older than what is written for it.

Whether that is so is read off the running process, so that an installation that was interrupted, or told not to
restart, is finished by the next one. Pods go on while containerd is away: their shims are processes of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from breakbulk.errors import PlatformError
from breakbulk.node.distributions import distribution
from breakbulk.node.installing import systemd
from breakbulk.node.installing.containerd import answering
from breakbulk.node.installing.registration import written_files
from breakbulk.node.place import NodePlace

__all__ = ["Restart", "is_older_than", "is_outdated", "restart_containerd", "restart_of_this_machine"]

Restart = Callable[[], None]

_CLOCK_S = 0.05
"""How much the start of a process, told in ticks, and the time of a file may differ by rounding."""
_PAUSE_S = 0.1


def is_outdated(place: NodePlace) -> bool:
    """Say whether a containerd runs that was started before its configuration was written."""
    return is_older_than(place, written_files(place))


def is_older_than(place: NodePlace, paths: Iterable[Path]) -> bool:
    """Say whether a containerd runs that was started before the last change of some files or directories."""
    running = answering(place.containerd_socket)
    if running is None:
        return False
    return any(path.stat().st_mtime > running.started_s + _CLOCK_S for path in paths)


def restart_containerd(place: NodePlace, restart: Restart, *, deadline_s: float) -> None:
    """Restart containerd and wait until another one answers; raise `PlatformError` (`containerd-not-back`)."""
    before = answering(place.containerd_socket)
    end = time.monotonic() + deadline_s
    restart()
    while (now := answering(place.containerd_socket)) is None or (before and now.process == before.process):
        if time.monotonic() > end:
            raise PlatformError(
                "containerd does not answer after its restart",
                identifier="containerd-not-back",
                where=str(place.containerd_socket),
                why=f"nobody new has answered for {deadline_s:g} seconds",
                hint="see its log (`journalctl -u containerd -e`); its configuration is again what it was",
            )
        time.sleep(_PAUSE_S)


def restart_of_this_machine(place: NodePlace, root: Path = Path("/")) -> Restart | None:
    """Return what restarts the containerd of a node: the active service that runs it.

    None where there is no such service, or where the node's containerd is not the one of this machine's service.
    """
    found = distribution(root=root)
    if not systemd.runs_here(root) or place.containerd_socket != found.containerd_socket:
        return None
    unit = systemd.active(found.services)
    return (lambda: systemd.restart(unit)) if unit else None
