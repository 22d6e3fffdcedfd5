"""Can packages be kept and mounted here, does the agent answer, and can the hub be reached.

What matters is tried: a file is written into the store, and two of its directories are mounted as one overlay, in a
process of its own with a mount namespace of its own, so that nothing is left of it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import breakbulk
from breakbulk.checks import Check
from breakbulk.errors import BreakbulkError
from breakbulk.node.examining.verdicts import failed, passed, unknown, warning
from breakbulk.node.place import NodePlace
from breakbulk.node.protocol import peer_is_root, socket_path
from breakbulk.settings import Settings

__all__ = ["agent_answers", "agent_checks", "hub_check", "store_checks"]

_LITTLE_BYTES = 2 << 30
_LITTLE_SHARE = 0.05
_INSTALL = "`breakbulk node install`"
_TRIAL = """
import sys
from pathlib import Path
from breakbulk.errors import BreakbulkError
from breakbulk.store.namespaces import isolate, needs_user_namespace
from breakbulk.store.rootfs import mount_overlay

place, user = Path(sys.argv[1]), needs_user_namespace()
try:
    isolate(user=user, network=True)
    mount_overlay([place / "upper", place / "lower"], place / "mount", user=user)
except BreakbulkError as error:
    sys.exit(error.why or error.message)
"""


def store_checks(store: Path, *, is_made: bool = True) -> Iterator[Check]:
    """Yield what there is to say of where packages are kept.

    Args:
        store: The directory.
        is_made: Whether it should be there; otherwise it is made when something is kept, so what it is in is tried.

    """
    directory = store if is_made else next(path for path in (store, *store.parents) if path.is_dir())
    yield from _store(store, directory)
    yield _space(directory)


def agent_checks(place: NodePlace) -> Iterator[Check]:
    """Yield what there is to say of a node's agent, and of where it listens."""
    yield _run_directory(place)
    yield _agent(place)


def hub_check(settings: Settings) -> Check:
    """Say whether the hub that is configured can be reached."""
    from breakbulk.hub.format import check_format
    from breakbulk.hub.opening import open_hub

    identifier, what = "hub", "the hub can be reached"
    try:
        hub = open_hub(replace(settings, timeout_s=min(settings.timeout_s, 10.0), retries=1))
        what = f"the hub {hub.url} can be reached"
        if check_format(hub.objects):
            return passed(identifier, what)
    except BreakbulkError as error:
        why = f"{error.message}; {error.why}" if error.why else error.message
        return warning(identifier, what, why, error.hint)
    why = "nothing was ever pushed to it"
    fix = "name the right hub with BREAKBULK_HUB or `hub` in config.toml, or `breakbulk push` to this one"
    return warning(identifier, what, why, fix)


def agent_answers(place: NodePlace) -> bool:
    """Say whether the agent of this node listens, and is root's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(5.0)
        try:
            connection.connect(socket_path(str(place.run)))
            return peer_is_root(connection)
        except OSError:
            return False


def _store(store: Path, place: Path) -> Iterator[Check]:
    """Write where the store is, and mount what was written."""
    what = f"the store {store} can be written"
    try:
        with tempfile.TemporaryDirectory(prefix="breakbulk-examination-", dir=place) as directory:
            for name in ("upper", "lower", "mount"):
                (Path(directory) / name).mkdir()
            yield passed("store", what)
            yield _overlay(Path(directory))
    except OSError as error:
        fix = f"{_INSTALL} makes it" if not place.exists() else "see its owner, its mode and its file system"
        yield failed("store", what, error.strerror, fix)


def _overlay(directory: Path) -> Check:
    identifier, what = "store-overlay", "directories of the store can be mounted as one"
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _TRIAL, str(directory)],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=30,
            env={"PYTHONPATH": str(Path(breakbulk.__file__).parents[1])},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return unknown(identifier, what, str(error))
    if ended.returncode != 0:
        why = ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else "the kernel refuses"
        fix = "put the store on ext4, XFS or Btrfs: set BREAKBULK_STORE, and install again"
        return failed(identifier, what, why, fix)
    return passed(identifier, what)


def _space(place: Path) -> Check:
    identifier, what = "store-space", "the store has room"
    try:
        status = os.statvfs(place)
    except OSError as error:
        return unknown(identifier, what, error.strerror)
    free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
    what = f"the store has room: {free / 1e9:.1f} GB of {total / 1e9:.1f} GB are free"
    full = bool(status.f_files) and not status.f_favail
    if full or free < min(_LITTLE_BYTES, total * _LITTLE_SHARE):
        why = "no inodes are free" if full else "the next environment may not fit"
        fix = "`breakbulk store gc`; a larger disk"
        return warning(identifier, what, why, fix)
    return passed(identifier, what)


def _run_directory(place: NodePlace) -> Check:
    identifier, what = "run-directory", f"what is in {place.run} is root's alone"
    try:
        status = place.run.stat()
    except OSError as error:
        return failed(identifier, what, error.strerror, _INSTALL)
    if status.st_uid != 0 or status.st_mode & 0o066:
        why = "somebody else could answer in the place of the agent, or read names of environments"
        fix = f"`chown root {place.run} && chmod 711 {place.run}`"
        return failed(identifier, what, why, fix)
    return passed(identifier, what)


def _agent(place: NodePlace) -> Check:
    identifier, what = "agent", "the node agent answers"
    if agent_answers(place):
        return passed(identifier, what)
    why = "nobody listens at its socket: only environments that are present already start"
    fix = "`systemctl status breakbulk-agent`; as a DaemonSet, `kubectl -n breakbulk-system get pods -o wide`"
    return failed(identifier, what, why, fix)
