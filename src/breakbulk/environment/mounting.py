"""Build the root file system of a run and move into it.

Runs in process 1 of the sandbox, in mount and process namespaces of its own. What this machine lends is taken hold of
first, as detached mounts; then the packages become the root; then everything is attached, so that no symbolic link of
a package can lead a mount out of the root. Changes go to a tmpfs that nobody else sees and that ends with the run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from breakbulk.environment import devices
from breakbulk.environment.specification import Mount
from breakbulk.environment.visibility import CA_BUNDLE, View
from breakbulk.errors import PlatformError
from breakbulk.store import linux
from breakbulk.store.rootfs import mount_overlay

__all__ = ["enter"]

_SCAFFOLD = Path("/sys")
"""Covered by a private tmpfs while the root is put together; no package and nothing that is shown comes from there."""

_SHARED_FLAGS = linux.MS_NOSUID | linux.MS_NODEV
_PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_PROC_HIDDEN = ("acpi", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats")


def enter(lowers: Sequence[Path], view: View, *, user: bool, pts: int | None) -> None:
    """Make the packages, with what `view` shows, the root of this mount namespace.

    Args:
        lowers: Directories of the packages, the first on top.
        view: What else is visible.
        user: Whether this is a user namespace.
        pts: A detached file system of pseudo terminals, where only a parent namespace could make one.

    Raises:
        PlatformError: `overlay-unavailable`, `mount-failed`.

    """
    try:
        lent = [(_lend(mount), mount) for mount in view.mounts]
        proc, sys = _new_proc(), linux.open_tree("/sys", recursive=True)
        nodes = devices.lend(view.devices)
        certificates = linux.open_tree(view.certificates) if view.certificates else None
        _become_root(lowers, user=user)
        linux.move_mount(proc, _directory("/proc"))
        linux.mount_setattr(sys, add=linux.MOUNT_ATTR_RDONLY, recursive=True)
        linux.move_mount(sys, _directory("/sys"))
        devices.attach(nodes, pts)
        if not user:
            _close_proc()
        linux.mount("tmpfs", _directory("/tmp"), "tmpfs", _SHARED_FLAGS, "mode=1777")  # noqa: S108 - its mount point
        for tree, mount in lent:
            _attach(tree, mount)
        if certificates is not None and not Path(CA_BUNDLE).exists():
            linux.move_mount(certificates, _file(CA_BUNDLE))
        _directory(view.home)
    except OSError as error:
        raise _failed(error) from error


def _lend(mount: Mount) -> int:
    """Take hold of a part of this machine, with what is mounted below it."""
    tree = linux.open_tree(mount.source, recursive=True)
    if not mount.writable:
        linux.mount_setattr(tree, add=linux.MOUNT_ATTR_RDONLY, recursive=True)
    return tree


def _become_root(lowers: Sequence[Path], *, user: bool) -> None:
    """Mount the packages below a writable layer in memory, and let the old root go; see NOTES in pivot_root(2)."""
    linux.mount("tmpfs", _SCAFFOLD, "tmpfs", linux.MS_NODEV, "mode=755")
    root, upper, work = (_SCAFFOLD / name for name in ("root", "upper", "work"))
    for directory in (root, upper, work):
        directory.mkdir()
    mount_overlay(lowers, root, upper=upper, work=work, user=user)
    os.chdir(root)
    linux.pivot_root(".", ".")
    linux.unmount(".", linux.MNT_DETACH)
    os.chdir("/")


def _new_proc() -> int:
    """Return /proc of this process namespace, as a detached mount.

    An ordinary user may have one only while another is in sight, whole. In a container that hides parts of its own
    that one must do: it shows more processes, and is right about the own ones.
    """
    context = linux.fsopen("proc")
    try:
        linux.fsconfig_create(context)
        return linux.fsmount(context, linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC)
    except PermissionError:
        return linux.open_tree("/proc", recursive=True)
    finally:
        os.close(context)


def _close_proc() -> None:
    """Keep root from changing the kernel by accident; for ordinary users the kernel sees to it."""
    for name in _PROC_READ_ONLY:
        path = f"/proc/{name}"
        if os.path.exists(path):
            linux.mount(path, path, None, linux.MS_BIND)
            linux.mount(None, path, None, linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY | _SHARED_FLAGS)
    for name in _PROC_HIDDEN:
        path = f"/proc/{name}"
        if os.path.isdir(path):
            linux.mount("tmpfs", path, "tmpfs", _SHARED_FLAGS | linux.MS_RDONLY, "size=0")
        elif os.path.exists(path):
            linux.mount("/dev/null", path, None, linux.MS_BIND)


def _attach(tree: int, mount: Mount) -> None:
    point = _directory(mount.target) if stat.S_ISDIR(os.fstat(tree).st_mode) else _file(mount.target)
    linux.move_mount(tree, point)
    os.close(tree)


def _directory(path: str) -> str:
    """Make sure of a directory to mount on."""
    os.makedirs(path, exist_ok=True)
    return path


def _file(path: str) -> str:
    """Make sure of a file to mount on; a symbolic link gives way, as its target may be anywhere."""
    if os.path.islink(path):
        os.unlink(path)
    if not os.path.exists(path):
        _directory(os.path.dirname(path))
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    return path


def _failed(error: OSError) -> PlatformError:
    return PlatformError(
        "the environment's file system cannot be put together",
        identifier="mount-failed",
        where=str(error.filename or ""),
        why=error.strerror,
        hint="in a container, run it with permission to mount; else leave out the --mount that is named, if one is",
    )
