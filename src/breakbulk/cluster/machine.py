"""What all native clusters of a machine share: settings of its kernel, and the order in which clusters change them.

The first cluster remembers how it found the kernel, the last one puts it back. That is `ip_forward`, without which no
packet leaves a node, the limit of inotify instances, of which every container runtime wants several, and what each
kubelet sets unasked (pkg/kubelet/cm/container_manager_linux.go). The memory is where a restart of the machine forgets
it, as the settings themselves are forgotten then.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.cluster.places import RUNTIME, NativePlace
from breakbulk.errors import ClusterError
from breakbulk.reporting import Reporter

__all__ = ["alone", "enrol", "keep_kernel", "make_passable", "may_shield", "strike_off", "working_on"]

_SETTINGS = Path("/proc/sys")
_MEMORY = "kernel.json"
_OWNER = "directory"
_INOTIFY = "fs/inotify/max_user_instances"
_INOTIFY_LEAST = 1024
_CAP_SYS_RESOURCE = 24
_CHANGED = (
    "net/ipv4/ip_forward",
    _INOTIFY,
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold off every other `up` and `down` on this machine; for what takes a moment, as choosing addresses."""
    with _released(_lock(RUNTIME / ".lock", wait=True), RUNTIME / ".lock"):
        yield


@contextlib.contextmanager
def working_on(name: str, reporter: Reporter) -> Iterator[None]:
    """Hold off every other `up` and `down` of one cluster, and wait for those at work."""
    path = RUNTIME / f".lock-{name}"
    descriptor = _lock(path, wait=False)
    if descriptor is None:
        reporter.note(f"waiting for another command that works on the cluster {name}")
        descriptor = _lock(path, wait=True)
    with _released(descriptor, path):
        yield


def make_passable(directory: Path) -> None:
    """Make a directory that holds sockets and roots of containers, or mend its mode.

    Nobody else may list it, but root of a user namespace, who is nobody here, must come through to a container's root.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)


def enrol(place: NativePlace) -> None:
    """Say that there is a cluster of this name, and where.

    Raises:
        ClusterError: `cluster-elsewhere`: there is one already that is kept in another directory.

    """
    owner = place.runtime / _OWNER
    make_passable(place.runtime)
    with contextlib.suppress(FileNotFoundError):
        if (other := owner.read_text()) and other != str(place.directory):
            raise _elsewhere(place, other)
    owner.write_text(str(place.directory))


def keep_kernel() -> None:
    """Set what clusters need, and remember what was there before the first of them; raise `OSError`."""
    memory = RUNTIME / _MEMORY
    if not memory.exists():
        found = {name: _read(name) for name in _CHANGED if (_SETTINGS / name).exists()}
        half = memory.with_suffix(f".{os.getpid()}")
        half.write_bytes(msgspec.json.encode(found))
        half.replace(memory)
    _write("net/ipv4/ip_forward", "1")
    if int(_read(_INOTIFY)) < _INOTIFY_LEAST:
        _write(_INOTIFY, str(_INOTIFY_LEAST))


def may_shield() -> bool:
    """Say whether this process may lower an `oom_score_adj`, as runtimes do for a pod's first container.

    That is CAP_SYS_RESOURCE of capabilities(7), which root of a container or of a small virtual machine may lack.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_SYS_RESOURCE & 1)


def strike_off(place: NativePlace) -> None:
    """Forget a cluster of which nothing is left; the last one puts the kernel back. Call within `alone`."""
    if place.runtime.exists():
        shutil.rmtree(place.runtime)
    if any(path.is_dir() for path in RUNTIME.iterdir()):
        return
    memory = RUNTIME / _MEMORY
    if memory.exists():
        for name, value in msgspec.json.decode(memory.read_bytes(), type=dict[str, str]).items():
            _write(name, value)
        memory.unlink()


def _read(name: str) -> str:
    return (_SETTINGS / name).read_text().strip()


def _write(name: str, value: str) -> None:
    if _read(name) != value:
        (_SETTINGS / name).write_text(value)


def _lock(path: Path, *, wait: bool) -> int | None:
    """Return a descriptor that holds a lock until it is closed, None if others hold it and we are not to wait."""
    for directory in (RUNTIME.parent, RUNTIME):
        make_passable(directory)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_at(path, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.close(descriptor)  # whoever had the lock has removed the file: it is another one now


def _is_at(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


@contextlib.contextmanager
def _released(descriptor: int | None, path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _elsewhere(place: NativePlace, other: str) -> ClusterError:
    return ClusterError(
        f"this machine has another cluster {place.name!r}",
        identifier="cluster-elsewhere",
        where=other,
        why="interfaces and control groups are named after clusters, so names are the machine's",
        hint="take another name, or take that one down with the BREAKBULK_STORE that it was made with",
    )
