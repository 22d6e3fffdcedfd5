"""The Linux system calls that Python does not offer: mounts, namespaces, capabilities, syncfs.

Thin and typed: one function per call, each raising `OSError` whose third field says what was asked for. What a failure
means to a user is decided one level up, in `rootfs` and `namespaces`. Depends on the standard library only and imports
in a few milliseconds, as it runs in freshly started processes.

Sources: the man pages of section 2; numbers of the calls without a libc wrapper from the kernel's
`asm-generic/unistd.h` (424 and above are the same on every architecture).
"""

from __future__ import annotations

import ctypes
import os
import sys

TYPE_CHECKING = False  # typing takes longer to import than the runtime handler has
if TYPE_CHECKING:
    from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_IDMAP = 0x00100000

CAP_CHOWN = 0
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_FOWNER = 3
CAP_FSETID = 4
CAP_SETGID = 6
CAP_SETUID = 7
CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21
CAP_SETFCAP = 31

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_CLOEXEC = os.O_CLOEXEC
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_MOVE_MOUNT_F_EMPTY_PATH = 4
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6
FSCONFIG_STRING_MAX = 255
"""The kernel copies at most 256 bytes of a string value, the closing zero included (fs/fsopen.c)."""

_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_SIGNALFD4 = {"x86_64": 289, "aarch64": 74}
_SYS_STATX = {"x86_64": 332, "aarch64": 291}
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_FSOPEN = 430
_SYS_FSCONFIG = 431
_SYS_FSMOUNT = 432
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442
_SYS_STATMOUNT = 457

_STATX_MNT_ID_UNIQUE = 0x4000
_STATX_BYTES = 256
_STATX_MNT_ID = 144
"""Where `stx_mnt_id` is in `struct statx` (linux/stat.h)."""

_STATMOUNT_MNT_POINT = 0x10
_STATMOUNT_FS_TYPE = 0x20
_STATMOUNT_MNT_OPTS = 0x80
_STATMOUNT_BYTES = 65536
_MNT_ID_REQ_BYTES = 24
_OF_MNT_OPTS, _OF_MASK, _OF_FS_TYPE, _OF_MNT_POINT = 4, 8, 36, 108
"""Where fields are in `struct statmount` (linux/mount.h), in bytes."""

_STATMOUNT_STRINGS = 512
"""Where strings begin in it; fields of strings hold offsets from here."""

_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _MountAttributes(ctypes.Structure):
    """`struct mount_attr` of mount_setattr(2)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _OpenHow(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _syscall(number: int, what: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call a system call that libc may not wrap; integers are passed as `long`, as a variadic call needs."""
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *passed), what)


def _optional(value: str | os.PathLike[str] | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def unshare(flags: int) -> None:
    """Leave the namespaces of `flags` (`CLONE_NEW*`) for new ones; `man 2 unshare`."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(descriptor: int, flags: int = 0) -> None:
    """Join the namespace of an open `/proc/PID/ns/*` file or pidfd; `man 2 setns`."""
    _checked(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(flags)), "setns")


def mount(
    source: str | os.PathLike[str] | None,
    target: str | os.PathLike[str],
    kind: str | None = None,
    flags: int = 0,
    options: str | None = None,
) -> None:
    """Mount, remount, bind or change propagation; `man 2 mount`. `options` may have 4095 bytes."""
    _checked(
        _libc.mount(_optional(source), os.fsencode(target), _optional(kind), ctypes.c_ulong(flags), _optional(options)),
        f"mount of {kind or source or 'propagation'} on {os.fspath(target)}",
    )


def unmount(target: str | os.PathLike[str], flags: int = 0) -> None:
    """Unmount, at once and lazily with `MNT_DETACH`; `man 2 umount2`."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), f"umount of {os.fspath(target)}")


def pivot_root(new_root: str | os.PathLike[str], put_old: str | os.PathLike[str]) -> None:
    """Make the mount `new_root` the root of this mount namespace; `man 2 pivot_root`."""
    number = _SYS_PIVOT_ROOT[os.uname().machine]
    _syscall(number, f"pivot_root to {os.fspath(new_root)}", os.fsencode(new_root), os.fsencode(put_old))


def set_parent_death_signal(signal: int) -> None:
    """Have this process signalled when the *thread* that started it ends; PR_SET_PDEATHSIG of prctl(2)."""
    _prctl(_PR_SET_PDEATHSIG, signal, "PR_SET_PDEATHSIG")


def set_process_name(name: str) -> None:
    """Name this process in ps(1), 15 bytes at most; PR_SET_NAME of prctl(2)."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _prctl(_PR_SET_NAME, ctypes.addressof(buffer), "PR_SET_NAME")


def set_no_new_privileges() -> None:
    """Take away, for good, the effect of setuid bits and file capabilities; PR_SET_NO_NEW_PRIVS of prctl(2)."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "PR_SET_NO_NEW_PRIVS")


def set_child_subreaper() -> None:
    """Become the parent of orphaned descendants; PR_SET_CHILD_SUBREAPER of prctl(2)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER")


def drop_bounding_capability(capability: int) -> None:
    """Remove a capability from the bounding set, so that no exec gains it; PR_CAPBSET_DROP of prctl(2)."""
    _prctl(_PR_CAPBSET_DROP, capability, f"PR_CAPBSET_DROP of capability {capability}")


def _prctl(option: int, argument: int, what: str) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero), what)


def set_capabilities(*, effective: int, permitted: int, inheritable: int) -> None:
    """Set this thread's capability sets, each a bit mask of `1 << CAP_*`; `man 2 capset`."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (effective, permitted, inheritable)
    words = [value & 0xFFFFFFFF for value in sets] + [value >> 32 for value in sets]
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)(*words)), "capset")


def fsopen(kind: str) -> int:
    """Return a descriptor of a file system being configured; `man 2 fsopen`, Linux 5.2."""
    return _syscall(_SYS_FSOPEN, f"fsopen of {kind}", kind.encode(), _FSOPEN_CLOEXEC)


def fsconfig_string(descriptor: int, key: str, value: str | os.PathLike[str]) -> None:
    """Set an option of at most `FSCONFIG_STRING_MAX` bytes; `man 2 fsconfig`."""
    what = f"{key}={os.fspath(value)}"
    _syscall(_SYS_FSCONFIG, what, descriptor, _FSCONFIG_SET_STRING, key.encode(), os.fsencode(value), 0)


def fsconfig_strings(descriptor: int, key: str, values: Iterable[str]) -> None:
    """Set an option that may be set many times, as `fsconfig_string` does; converts once what is the same."""
    call, number, option = _libc.syscall, ctypes.c_long(_SYS_FSCONFIG), key.encode()
    where, command, zero = ctypes.c_long(descriptor), ctypes.c_long(_FSCONFIG_SET_STRING), ctypes.c_long(0)
    for value in values:
        if call(number, where, command, option, os.fsencode(value), zero) < 0:
            _checked(-1, f"{key}={value}")


def fsconfig_flag(descriptor: int, key: str) -> None:
    """Set an option that has no value; `man 2 fsconfig`."""
    _syscall(_SYS_FSCONFIG, key, descriptor, _FSCONFIG_SET_FLAG, key.encode(), None, 0)


def fsconfig_create(descriptor: int) -> None:
    """Make the configured file system; `man 2 fsconfig`. On failure `messages` may tell why."""
    _syscall(_SYS_FSCONFIG, "creation of the file system", descriptor, _FSCONFIG_CMD_CREATE, None, None, 0)


def messages(descriptor: int) -> str:
    """Return what the kernel has said about a file system being configured; empty when it said nothing."""
    lines = []
    while True:
        try:
            lines.append(os.read(descriptor, 4096).decode(errors="replace").strip())
        except OSError:  # ENODATA: no more lines
            return "; ".join(lines)


def fsmount(descriptor: int, attributes: int = 0) -> int:
    """Return a descriptor of a detached mount of a created file system; `MOUNT_ATTR_*`; `man 2 fsmount`."""
    return _syscall(_SYS_FSMOUNT, "fsmount", descriptor, _FSMOUNT_CLOEXEC, attributes)


def open_tree(path: str | os.PathLike[str], *, clone: bool = True, recursive: bool = False) -> int:
    """Return a descriptor of the mount at `path`, with `clone` of a new bind mount; `man 2 open_tree`, Linux 5.2."""
    flags = _CLOEXEC | (_OPEN_TREE_CLONE if clone else 0) | (_AT_RECURSIVE if recursive else 0)
    return _syscall(_SYS_OPEN_TREE, f"open_tree of {os.fspath(path)}", _AT_FDCWD, os.fsencode(path), flags)


def move_mount(descriptor: int, target: str | os.PathLike[str]) -> None:
    """Attach a detached mount; `man 2 move_mount`, Linux 5.2."""
    what = f"mount on {os.fspath(target)}"
    _syscall(_SYS_MOVE_MOUNT, what, descriptor, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)


def mount_at(path: str | os.PathLike[str]) -> tuple[str, bytes] | None:
    """Return kind and options of the topmost mount at `path`, escaped as in mountinfo; `man 2 statmount`, Linux 6.11.

    None where the kernel cannot say it alone, and where nothing is mounted at `path` itself.
    """
    known, told = ctypes.create_string_buffer(_STATX_BYTES), ctypes.create_string_buffer(_STATMOUNT_BYTES)
    wanted = _STATMOUNT_FS_TYPE | _STATMOUNT_MNT_POINT | _STATMOUNT_MNT_OPTS
    point = os.fsencode(path)
    try:
        _syscall(_SYS_STATX[os.uname().machine], "statx", _AT_FDCWD, point, 0, _STATX_MNT_ID_UNIQUE, known)
        mount = known.raw[_STATX_MNT_ID : _STATX_MNT_ID + 8]
        request = _number(_MNT_ID_REQ_BYTES, 4) + bytes(4) + mount + _number(wanted, 8)
        _syscall(_SYS_STATMOUNT, "statmount", request, told, _STATMOUNT_BYTES, 0)
    except OSError:
        return None
    has_id = _field(known, 0, 4) & _STATX_MNT_ID_UNIQUE
    if not has_id or _field(told, _OF_MASK, 8) & wanted != wanted or _string(told, _OF_MNT_POINT) != point:
        return None
    return _string(told, _OF_FS_TYPE).decode(), _string(told, _OF_MNT_OPTS)


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, sys.byteorder)


def _field(buffer: ctypes.Array[ctypes.c_char], offset: int, size: int) -> int:
    return int.from_bytes(memoryview(buffer)[offset : offset + size], sys.byteorder)


def _string(told: ctypes.Array[ctypes.c_char], field: int) -> bytes:
    """Return a string of `struct statmount`, whose place is in a field of it."""
    start = _STATMOUNT_STRINGS + _field(told, field, 4)
    return told.raw[start : told.raw.index(b"\0", start)]


def mount_setattr(
    descriptor: int,
    *,
    add: int = 0,
    remove: int = 0,
    propagation: int = 0,
    user_namespace: int = 0,
    recursive: bool = False,
) -> None:
    """Change `MOUNT_ATTR_*` and propagation of an open mount; `man 2 mount_setattr`, Linux 5.12.

    With `MOUNT_ATTR_IDMAP`, `user_namespace` is a descriptor of the one whose mapping the mount takes.
    """
    attributes = _MountAttributes(add, remove, propagation, user_namespace)
    size = ctypes.sizeof(attributes)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    buffer = ctypes.create_string_buffer(bytes(attributes), size)
    _syscall(_SYS_MOUNT_SETATTR, "mount_setattr", descriptor, b"", flags, buffer, size)


def open_in_root(root: int, path: str, flags: int) -> int:
    """Open `path` as a process whose root is the directory `root` would; `man 2 openat2`, Linux 5.6."""
    how = _OpenHow(flags | _CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    size = ctypes.sizeof(how)
    return _syscall(_SYS_OPENAT2, path, root, os.fsencode(path), ctypes.create_string_buffer(bytes(how), size), size)


def signalfd(signals: Iterable[int]) -> int:
    """Return a non-blocking descriptor from which the given, blocked signals are read; `man 2 signalfd`."""
    mask = sum(1 << (number - 1) for number in signals).to_bytes(8, sys.byteorder)
    machine = _SYS_SIGNALFD4[os.uname().machine]
    return _syscall(machine, "signalfd", -1, mask, len(mask), os.O_NONBLOCK | os.O_CLOEXEC)


def syncfs(descriptor: int) -> None:
    """Write everything of the file system that holds an open file to its device; `man 2 syncfs`."""
    _checked(_libc.syncfs(ctypes.c_int(descriptor)), "syncfs")
