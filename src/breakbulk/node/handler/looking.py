"""Look into the root file system of a container without being led out of it.

Whoever pushes a package, and whoever wrote into an image, decides about the links in there; openat2(2) resolves them as
the container itself would (`linux.open_in_root`).
"""

from __future__ import annotations

import os
import stat

from breakbulk.store import linux

__all__ = ["find_program", "home_of", "user_of"]

_PASSWD_MAX = 1 << 20


def find_program(root: str, name: str, path: str) -> str | None:
    """Return the path, inside, of the program `name` on the PATH `path`; None when there is none."""
    for folder in path.split(":"):
        if folder.startswith("/") and _is_program(root, f"{folder}/{name}"):
            return f"{folder}/{name}"
    return None


def home_of(root: str, user: int) -> str:
    """Return the home directory that /etc/passwd has for a user id, `/` when it has none; as runc sets HOME."""
    for line in _text(root, "etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2] == str(user):
            return fields[5] or "/"
    return "/"


def user_of(root: str, text: str) -> tuple[int, int | None] | None:
    """Return the ids that `USER[:GROUP]` means, as in the configuration of an image; None for a name nobody has."""
    name, separator, of = text.partition(":")
    user, group = _id(root, "etc/passwd", name), _id(root, "etc/group", of) if separator else None
    return None if user is None or (separator and group is None) else (user, group)


def _id(root: str, path: str, name: str) -> int | None:
    if name.isdecimal():
        return int(name)
    for line in _text(root, path).splitlines():
        fields = line.split(":")
        if name and len(fields) > 2 and fields[0] == name and fields[2].isdecimal():
            return int(fields[2])
    return None


def _is_program(root: str, path: str) -> bool:
    mode = _mode(root, path)
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _mode(root: str, path: str) -> int:
    try:
        descriptor = _open(root, path, os.O_PATH)
    except OSError:
        return 0
    try:
        return os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)


def _text(root: str, path: str) -> str:
    if not stat.S_ISREG(_mode(root, path)):  # what is opened for reading may be a device, which that alone can start
        return ""
    try:
        with os.fdopen(_open(root, path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(_PASSWD_MAX).decode(errors="replace")
    except OSError:
        return ""


def _open(root: str, path: str, flags: int) -> int:
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return linux.open_in_root(directory, path, flags)
    finally:
        os.close(directory)
