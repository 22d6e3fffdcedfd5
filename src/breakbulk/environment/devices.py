"""/dev of a run: the nodes every program expects, a terminal file system of its own, and graphics cards.

Nodes are this machine's, mounted one by one, as ordinary users may not make nodes. Pseudo terminals are the run's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from breakbulk.store import linux

__all__ = ["attach", "lend", "new_pseudo_terminals"]

_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}


def lend(extra: Iterable[str]) -> dict[str, int]:
    """Take hold of nodes by name below /dev; of the caller's terminal as `console`, so that ttyname(3) finds it."""
    nodes = {
        name: linux.open_tree(f"/dev/{name}", recursive=True)
        for name in (*_NODES, *extra)
        if os.path.exists(f"/dev/{name}")
    }
    terminal = next((os.ttyname(descriptor) for descriptor in (0, 1, 2) if os.isatty(descriptor)), None)
    if terminal is not None and os.path.exists(terminal):
        nodes["console"] = linux.open_tree(terminal)
    return nodes


def new_pseudo_terminals() -> int:
    """Return a detached file system of pseudo terminals; the present user namespace must have a user 0."""
    context = linux.fsopen("devpts")
    try:
        linux.fsconfig_flag(context, "newinstance")
        linux.fsconfig_string(context, "ptmxmode", "0666")
        linux.fsconfig_string(context, "mode", "0620")
        linux.fsconfig_create(context)
        return linux.fsmount(context, linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NOEXEC)
    finally:
        os.close(context)


def attach(nodes: Mapping[str, int], pts: int | None) -> None:
    """Fill /dev of the root that has just been entered."""
    os.makedirs("/dev", exist_ok=True)
    linux.mount("tmpfs", "/dev", "tmpfs", linux.MS_NOSUID | linux.MS_NOEXEC, "mode=755")
    for name, tree in nodes.items():
        _make_point(f"/dev/{name}", directory=stat.S_ISDIR(os.fstat(tree).st_mode))
        linux.move_mount(tree, f"/dev/{name}")
        os.close(tree)
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/pts")
    terminals = new_pseudo_terminals() if pts is None else pts
    linux.move_mount(terminals, "/dev/pts")
    os.close(terminals)
    os.mkdir("/dev/shm")  # noqa: S108 - its mount point
    linux.mount("tmpfs", "/dev/shm", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=1777")  # noqa: S108


def _make_point(path: str, *, directory: bool) -> None:
    if directory:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
