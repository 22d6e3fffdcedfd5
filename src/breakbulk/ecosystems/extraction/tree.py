"""The one who writes: a tree below an empty directory, entry by entry, and what it holds as `Content`.

Every file is created with O_EXCL and O_NOFOLLOW relative to a directory that was opened the same way, so nothing is
ever written through a symbolic link, whatever the archive put there before. Digests are taken of what is written while
it is written. Counterpart: `tar`, `zip`, or whoever knows the members. `budget` counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from breakbulk.ecosystems.extraction.budget import Budget
from breakbulk.ecosystems.extraction.names import collision_key, link_target, refusal
from breakbulk.ecosystems.extraction.rules import STRANGER, Rules
from breakbulk.ecosystems.interface import Content, Entry
from breakbulk.errors import ArchiveError

__all__ = ["Attributes", "Tree"]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_DIRECTORIES = 128
_SETID = 0o6000
_STATIC_IDS = 100  # Debian policy 9.2.2: users and groups below are the same on every system


class Attributes(msgspec.Struct, frozen=True):
    """What an archive says of a member besides name and bytes.

    `mode` holds permission bits, setuid, setgid and sticky; `mtime_ns` is since 1970; `capability` is the value of the
    extended attribute `security.capability`.
    """

    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    capability: bytes | None = None


_IMPLIED = Attributes(mode=0o755)


class Tree:
    """A tree in the making below the empty directory `into`. Use as a context manager; then take `content`.

    Args:
        into: An empty directory that nobody else writes to.
        archive: The archive's name in errors.
        rules: What is let through, and how it is written.
        packed_bytes: Size of the archive, None where there is no sense in a ratio.

    """

    def __init__(self, into: Path, *, archive: str, rules: Rules = STRANGER, packed_bytes: int | None = None) -> None:
        self.content: Content = {}
        self.budget = Budget(rules.limits, archive=archive, packed_bytes=packed_bytes)
        self._archive = archive
        self._rules = rules
        self._directories: dict[str, Attributes] = {"": _IMPLIED}
        self._names: dict[str, str] = {}
        self._is_root = os.geteuid() == 0
        self._root = os.open(into, _DIRECTORY)
        self._handles: dict[str, int] = {"": self._root}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._stamp_directories()
        finally:
            for handle in self._handles.values():
                os.close(handle)
            self._handles.clear()

    def file(
        self, path: str, chunks: Iterable[bytes | memoryview], attributes: Attributes, *, sparse: bool = False
    ) -> None:
        """Write a file; of one that is `sparse`, chunks of zeros take no blocks."""
        attributes = self._judged(path, attributes)
        if self._rules.allow_identical and self._is_file(path):
            self._compare(path, chunks, attributes.mode)
            return
        self._claim(path)
        handle, name = self._parent(path)
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=handle)
        try:
            digest, size = self._write(descriptor, chunks, sparse=sparse)
            self._dress(descriptor, attributes)
        finally:
            os.close(descriptor)
        self.content[path] = _entry("file", attributes, digest, size)

    def directory(self, path: str, attributes: Attributes = _IMPLIED) -> None:
        """Make a directory, or give one that is there already its attributes."""
        attributes = self._judged(path, attributes, directory=True)
        if path and not self._is_directory(path):
            self._claim(path)
            self._make_directory(path)
        self._directories[path] = attributes
        if path:
            self.content[path] = _entry("directory", attributes, "")

    def symbolic_link(self, path: str, target: str, attributes: Attributes) -> None:
        """Make a symbolic link whose target stays inside the root it will be seen in; nothing is followed."""
        link_target(path, target, archive=self._archive, rules=self._rules)
        attributes = attributes if self._rules.faithful else _IMPLIED
        present = self.content.get(path)
        if self._rules.allow_identical and present and (present.kind, present.content) == ("link", target):
            return
        self._claim(path)
        handle, name = self._parent(path)
        os.symlink(target, name, dir_fd=handle)
        if self._rules.faithful and self._is_root:
            self._own(name, attributes, handle)
        os.utime(name, ns=self._times(attributes), dir_fd=handle, follow_symlinks=False)
        self.content[path] = Entry("link", 0o777, target, 0, attributes.uid, attributes.gid)

    def hard_link(self, path: str, existing: str) -> None:
        """Make another name of a file that this archive has put there before."""
        entry = self.content.get(existing)
        if entry is None or entry.kind == "directory":
            raise self._refuse(
                "a hard link names no earlier file of the archive",
                "archive-path-escape",
                path,
                f"its target is {existing}",
            )
        if self._rules.allow_identical and self.content.get(path) == entry:
            return
        self._claim(path)
        handle, name = self._parent(path)
        os.link(existing, name, src_dir_fd=self._root, dst_dir_fd=handle, follow_symlinks=False)
        self.content[path] = entry

    def _refuse(self, message: str, identifier: str, path: str, why: str | None = None) -> ArchiveError:
        return refusal(message, identifier=identifier, archive=self._archive, member=path, why=why)

    def _is_file(self, path: str) -> bool:
        return (entry := self.content.get(path)) is not None and entry.kind == "file"

    def _is_directory(self, path: str) -> bool:
        return (entry := self.content.get(path)) is not None and entry.kind == "directory"

    def _judged(self, path: str, attributes: Attributes, *, directory: bool = False) -> Attributes:
        """Return the attributes as the rules have them."""
        if attributes.mode & _SETID and not self._rules.allow_setuid and not directory:
            raise self._refuse("a program is setuid or setgid", "archive-setuid", path, f"mode {attributes.mode:04o}")
        if self._rules.faithful:
            return attributes
        return Attributes(mode=0o755 if directory or attributes.mode & 0o111 else 0o644)

    def _claim(self, path: str) -> None:
        """Take a name that nothing else has, nor anything that could be taken for it; count it."""
        key = collision_key(path, self._rules)
        other = self._names.setdefault(key, path)
        if other != path or path in self.content or not path:
            raise self._refuse(
                "two members of the archive have one name" if other == path else "two names cannot be told apart",
                "archive-name-collision",
                path,
                None if other == path else f"the other is {other}",
            )
        self.budget.count_member(path)

    def _parent(self, path: str) -> tuple[int, str]:
        """Return an open handle of the directory that `path` is in, made if need be, and the name in it."""
        directory, _, name = path.rpartition("/")
        handle = self._handles.get(directory)
        return (self._open(directory) if handle is None else handle), name

    def _open(self, directory: str) -> int:
        entry = self.content.get(directory)
        if entry is None:
            self.directory(directory)
        elif entry.kind == "link":
            raise self._refuse(
                "a member would be written through a symbolic link",
                "archive-symlink-escape",
                directory,
                f"it points to {entry.content}",
            )
        elif entry.kind == "file":
            raise self._refuse("a name is a file and a directory", "archive-name-collision", directory)
        parent, name = self._parent(directory)
        handle = os.open(name, _DIRECTORY, dir_fd=parent)
        self._handles[directory] = handle
        if len(self._handles) > _OPEN_DIRECTORIES:
            oldest = next(name for name in self._handles if name)
            os.close(self._handles.pop(oldest))
        return handle

    def _make_directory(self, path: str) -> None:
        handle, name = self._parent(path)
        os.mkdir(name, 0o700, dir_fd=handle)

    def _write(self, descriptor: int, chunks: Iterable[bytes | memoryview], *, sparse: bool) -> tuple[str, int]:
        digest = hashlib.sha256()
        size = 0
        for chunk in chunks:
            self.budget.count_bytes(len(chunk))
            digest.update(chunk)
            if sparse and not bytes(chunk).strip(b"\0"):
                os.lseek(descriptor, len(chunk), os.SEEK_CUR)
            else:
                _write_all(descriptor, chunk)
            size += len(chunk)
        if sparse:
            os.ftruncate(descriptor, size)
        return digest.hexdigest(), size

    def _compare(self, path: str, chunks: Iterable[bytes | memoryview], mode: int) -> None:
        """Read a member that is there already under another name of the archive, and see that it is the same."""
        digest = hashlib.sha256()
        for chunk in chunks:
            self.budget.count_bytes(len(chunk))
            digest.update(chunk)
        if (digest.hexdigest(), mode) != (self.content[path].content, self.content[path].mode):
            raise self._refuse("two different members come to one path", "archive-name-collision", path)

    def _dress(self, descriptor: int, attributes: Attributes) -> None:
        """Give a file owner, mode, capability and time, in this order: changing the owner drops the two between."""
        mode = attributes.mode
        if mode & _SETID or (self._rules.faithful and self._is_root):
            mode = mode if self._own(descriptor, attributes) else mode & ~_SETID
        os.fchmod(descriptor, mode)
        if attributes.capability is not None and self._is_root:
            with contextlib.suppress(PermissionError):  # root of a user namespace, or a file system without them
                os.setxattr(descriptor, "security.capability", attributes.capability)
        os.utime(descriptor, ns=self._times(attributes))

    def _own(self, target: int | str, attributes: Attributes, directory: int | None = None) -> bool:
        """Set a static owner; return whether the owner is the one that the archive means."""
        if not self._is_root:
            return False
        uid, gid = (number if number < _STATIC_IDS else 0 for number in (attributes.uid, attributes.gid))
        if (uid, gid) != (0, 0):
            try:
                os.chown(target, uid, gid, dir_fd=directory, follow_symlinks=directory is None)
            except OSError:  # root of a user namespace that does not map this id: EINVAL or EPERM
                return False
        return (uid, gid) == (attributes.uid, attributes.gid)

    def _times(self, attributes: Attributes) -> tuple[int, int]:
        return attributes.mtime_ns, attributes.mtime_ns

    def _stamp_directories(self) -> None:
        """Give directories their modes and times, deepest first, when nothing is put into them any more."""
        for path in sorted(self._directories, key=len, reverse=True):
            attributes = self._directories[path]
            descriptor = os.dup(self._root) if not path else os.open(path, _DIRECTORY, dir_fd=self._root)
            try:
                mode = attributes.mode
                if self._rules.faithful and not self._own(descriptor, attributes):
                    mode &= ~_SETID
                os.fchmod(descriptor, mode | 0o700)
                os.utime(descriptor, ns=self._times(attributes))
            finally:
                os.close(descriptor)


def _entry(kind: Literal["file", "directory"], attributes: Attributes, content: str, size: int = 0) -> Entry:
    return Entry(kind, attributes.mode, content, size, attributes.uid, attributes.gid, attributes.capability)


def _write_all(descriptor: int, chunk: bytes | memoryview) -> None:
    written = os.write(descriptor, chunk)
    if written != len(chunk):
        _write_all(descriptor, memoryview(chunk)[written:])
