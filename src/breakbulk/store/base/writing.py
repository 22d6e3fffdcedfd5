"""Make a tree of additions, the same bytes, modes and times on every machine; read back what programs have changed.

Times are 0, owners are numbers of the environment's own accounts (as root; an ordinary user owns all), extended
attributes of the overlay do not get in. Counterpart of `additions`.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.store.base.additions import Addition, Additions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from breakbulk.store.base.accounts import Accounts

__all__ = ["Ownership", "changes", "write_tree"]

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


def write_tree(root: Path, additions: Additions, ownership: Ownership) -> None:
    """Write all additions below `root`; what is there already is replaced, directories are kept."""
    directories: list[tuple[Path, Addition]] = []
    for path, addition in additions:
        target = root / path
        if addition.kind == "directory":
            target.mkdir(exist_ok=True)
            directories.append((target, addition))
            continue
        target.unlink(missing_ok=True)
        _write(target, addition)
        _dress(target, addition, ownership)
    for target, addition in reversed(directories):
        _dress(target, addition, ownership)
    os.utime(root, ns=(0, 0))


def _write(target: Path, addition: Addition) -> None:
    if addition.kind == "link":
        target.symlink_to(addition.target)
    elif isinstance(addition.content, bytes):
        target.write_bytes(addition.content)
    else:
        shutil.copyfile(addition.content, target)


def _dress(target: Path, addition: Addition, ownership: Ownership) -> None:
    """Set owner, mode and time, in this order: changing the owner clears setuid, changing the mode is not a change."""
    if ownership.applies:
        os.chown(target, *ownership.of(addition), follow_symlinks=False)
    if addition.kind != "link":
        target.chmod(addition.mode)
    os.utime(target, ns=(0, 0), follow_symlinks=False)


def changes(upper: Path) -> Iterator[tuple[str, Addition]]:
    """Yield what programs have put into an upper directory; removals and what is `_PASSING` are left out."""
    for directory, names, files in os.walk(upper):
        names.sort()
        inside = os.path.relpath(directory, upper)
        prefix = "" if inside == "." else f"{inside}/"
        names[:] = [name for name in names if f"{prefix}{name}" not in _PASSING]
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


def _number(name: str, numbers: Mapping[str, int]) -> int:
    return int(name) if name.isdigit() else numbers.get(name, 0)
