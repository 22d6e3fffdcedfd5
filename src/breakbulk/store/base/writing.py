"""Make a tree of additions, the same bytes, modes and times on every machine; read back what programs have changed.

Times are 0, owners are numbers of the environment's own accounts (as root; an ordinary user owns all), extended
attributes of the overlay do not get in. Counterpart of `additions`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.ecosystems.interface import Content, Entry
from breakbulk.store.base.additions import Addition, Additions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from breakbulk.store.base.accounts import Accounts

__all__ = ["Ownership", "changes", "listing", "write_tree"]

_PASSING = ("dev", "proc", "sys", "tmp", "run", "var/tmp", "var/cache/ldconfig", "var/cache/debconf", "var/log")
"""Directories whose changes by programs are not kept: they hold nothing, or what differs from run to run."""


class Ownership:
    """Turns names of users and groups into numbers; without `accounts` owners are left alone."""

    def __init__(self, accounts: Accounts | None) -> None:
        self._uids: Mapping[str, int] = accounts.uids() if accounts else {}
        self._gids: Mapping[str, int] = accounts.gids() if accounts else {}
        self.applies = accounts is not None

    def of(self, addition: Addition) -> tuple[int, int]:
        """Return user and group number; a name that does not exist is root's, as nothing else is safe."""
        return _number(addition.user, self._uids), _number(addition.group, self._gids)


def write_tree(root: Path, additions: Additions, ownership: Ownership, *, moving: Path | None = None) -> None:
    """Write all additions below `root`, an empty directory, or with `moving` over what is there.

    Files whose content is below `moving` are moved, all others copied.
    """
    directories: list[tuple[Path, Addition]] = []
    for path, addition in additions:
        target = root / path
        if addition.kind == "directory":
            target.mkdir(exist_ok=True)
            directories.append((target, addition))
            continue
        if moving:
            target.unlink(missing_ok=True)
        _write(target, addition, moving)
        _dress(target, addition, ownership)
    for target, addition in reversed(directories):
        _dress(target, addition, ownership)
    os.utime(root, ns=(0, 0))


def _write(target: Path, addition: Addition, moving: Path | None) -> None:
    if addition.kind == "link":
        target.symlink_to(addition.target)
    elif isinstance(addition.content, bytes):
        target.write_bytes(addition.content)
    elif moving and addition.content.is_relative_to(moving):
        addition.content.rename(target)
        for attribute in os.listxattr(target):
            os.removexattr(target, attribute)
    else:
        shutil.copyfile(addition.content, target)


def _dress(target: Path, addition: Addition, ownership: Ownership) -> None:
    """Set owner, mode and time, in this order: changing the owner clears setuid, changing the mode is not a change."""
    if ownership.applies:
        os.chown(target, *ownership.of(addition), follow_symlinks=False)
    if addition.kind != "link":
        target.chmod(addition.mode)
    os.utime(target, ns=(0, 0), follow_symlinks=False)


def changes(upper: Path, passing: Collection[str] = _PASSING) -> Iterator[tuple[str, Addition]]:
    """Yield what programs have put into an upper directory; removals and what is below `passing` are left out."""
    for directory, names, files in os.walk(upper):
        names.sort()
        inside = os.path.relpath(directory, upper)
        prefix = "" if inside == "." else f"{inside}/"
        names[:] = [name for name in names if f"{prefix}{name}" not in passing]
        for name in sorted([*names, *files]):
            if found := _found(Path(directory, name)):
                yield f"{prefix}{name}", found


def _found(path: Path) -> Addition | None:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Addition(kind="link", mode=0o777, target=str(path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return Addition(kind="directory", mode=mode, user=str(status.st_uid), group=str(status.st_gid))
    if stat.S_ISREG(status.st_mode):
        return Addition(kind="file", mode=mode, content=path, user=str(status.st_uid), group=str(status.st_gid))
    return None


def listing(root: Path) -> Content:
    """Return the content of a tree, as a package's record has it."""
    return {path: _entry(root / path, addition) for path, addition in changes(root, passing=())}


def _entry(path: Path, addition: Addition) -> Entry:
    if addition.kind == "file":
        content = path.read_bytes()
        return Entry("file", addition.mode, hashlib.sha256(content).hexdigest(), len(content))
    return Entry(addition.kind, addition.mode, addition.target)


def _number(name: str, numbers: Mapping[str, int]) -> int:
    return int(name) if name.isdigit() else numbers.get(name, 0)
