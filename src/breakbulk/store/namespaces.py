"""Enter namespaces of one's own: what every process that mounts packages does first.

Root needs mount, process and IPC namespaces; an ordinary user also a user namespace, in which the own user and group
are mapped to themselves. Everything mounted afterwards is private to the process and its children, and gone with them.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from breakbulk.errors import PlatformError
from breakbulk.store import linux

__all__ = ["become_root_within", "isolate", "map_ids", "needs_user_namespace"]

_UNSHARE_HINTS = {
    errno.ENOSPC: "allow more of them: `sysctl user.max_user_namespaces=65536` as root",
    errno.EPERM: (
        "allow them: `sysctl kernel.unprivileged_userns_clone=1` (Debian) or "
        "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu 23.10 and newer) as root; "
        "in a container, run it with permission to create namespaces"
    ),
    errno.EINVAL: "use a kernel with CONFIG_USER_NS and CONFIG_PID_NS, and a process without threads",
}
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


def needs_user_namespace() -> bool:
    """Tell whether this process is not root, so that it can mount in a user namespace only."""
    return os.geteuid() != 0


def isolate(*, user: bool, network: bool, extra: int = 0, ids: tuple[int, int] | None = None) -> None:
    """Leave the mount, process and IPC namespaces for new ones, and make mounts private.

    The process must have one thread. Its next child is process 1 of the new process namespace.

    Args:
        user: Enter a user namespace too; `needs_user_namespace` tells when.
        network: Keep the network; otherwise there is not even a loopback that is up.
        extra: Further `linux.CLONE_NEW*`.
        ids: User and group inside a new user namespace; by default those outside.

    Raises:
        PlatformError: `user-namespaces-unavailable`, or `namespaces-unavailable` for root.

    """
    flags = linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC | extra
    flags |= (0 if network else linux.CLONE_NEWNET) | (linux.CLONE_NEWUSER if user else 0)
    uid, gid = os.geteuid(), os.getegid()
    try:
        linux.unshare(flags)
        if user:
            map_ids(inside=ids or (uid, gid), outside=(uid, gid))
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    except OSError as error:
        raise _unavailable(error, user=user) from error


def become_root_within() -> None:
    """Enter user and mount namespaces in which the own user is user 0.

    A step on the way to `isolate` with `ids`: some file systems are only made for a user 0, and identity comes after.

    Raises:
        PlatformError: `user-namespaces-unavailable`.

    """
    ids = os.geteuid(), os.getegid()
    try:
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        map_ids(inside=(0, 0), outside=ids)
    except OSError as error:
        raise _unavailable(error, user=True) from error


def map_ids(*, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """Map one user and one group into the user namespace just entered.

    setgroups(2) must be given up first, see user_namespaces(7). Raises OSError.
    """
    Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
    Path("/proc/self/uid_map").write_text(f"{inside[0]} {outside[0]} 1\n", encoding="utf-8")
    Path("/proc/self/gid_map").write_text(f"{inside[1]} {outside[1]} 1\n", encoding="utf-8")


def _unavailable(error: OSError, *, user: bool) -> PlatformError:
    number = error.errno or 0
    if user and number == errno.EACCES and _restricted_by_apparmor():
        number = errno.EPERM
    hint = _UNSHARE_HINTS.get(number, "run `unshare --user --mount true` to see whether this machine allows it")
    if user:
        message, identifier = "this machine does not let ordinary users make namespaces", "user-namespaces-unavailable"
    else:
        message, identifier = "namespaces cannot be made", "namespaces-unavailable"
        hint = "give the process CAP_SYS_ADMIN, or run as an ordinary user"
    return PlatformError(message, identifier=identifier, where=str(error.filename), why=error.strerror, hint=hint)


def _restricted_by_apparmor() -> bool:
    try:
        return _APPARMOR.read_text(encoding="utf-8").strip() == "1"
    except OSError:
        return False
