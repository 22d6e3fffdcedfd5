"""Objects as files of a directory: the default hub, and one that a team shares over NFS.

Guarantees, beyond those of `Objects`:

- **Whole or not at all, also after a power cut.** An object is written under `.staging/`, brought to the disk, and then
  linked to its name, which `link(2)` does for one of any number of callers; `settle` brings the names to the disk.
- **Nothing outside.** No symbolic link below the directory is followed, in either direction, and only ordinary files
  are objects; the directory itself may be a link.
- **No leavings.** What a killed writer staged is removed when somebody writes, a day after it last grew.

Written on system calls, not on obstore's local store, which follows links, syncs nothing, keeps a whole file in memory
when it may not overwrite, and needs threads that a fork does not survive. Counterpart: `stored` for everything else.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from breakbulk.errors import BreakbulkError
from breakbulk.hub.backends import faults
from breakbulk.hub.backends.keys import check_key, check_prefix, is_segment
from breakbulk.hub.objects import Stat

__all__ = ["DirectoryObjects"]

_STAGING = ".staging"  # not a part of any key
_STAGED_MAX_S = 86_400
_CHUNK_BYTES = 1 << 20
_COPY_BYTES = 16 << 20
_OBJECT_MODE = 0o444  # less the umask: what is there never changes
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FOREIGN = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}


class DirectoryObjects:
    """The objects in one directory, which need not be there before something is written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._changed: set[tuple[str, ...]] = set()
        self._changing = threading.Lock()
        self._swept = False

    @property
    def url(self) -> str:
        """The path of the directory."""
        return str(self._root)

    def get(self, key: str, *, limit_bytes: int = 16 << 20) -> bytes:
        """Return the bytes of an object."""
        with self._reported(key), self._opened(key) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit_bytes:
                raise faults.too_large(self._where(key), size, limit_bytes)
            return file.read()

    def stream(self, key: str, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from offset `start`."""
        with self._reported(key), self._opened(key) as file:
            file.seek(start)
            while data := file.read(_CHUNK_BYTES):
                yield data

    def local(self, key: str) -> Path | None:
        """Return the file that is the object, None when there is none."""
        return self._root / key if self.stat(key) else None

    def create(self, key: str, data: bytes | Path) -> bool:
        """Write a new object; `OSError` comes from the file `data`, everything else from here."""
        if self.stat(key) is not None:
            return False
        if isinstance(data, bytes):
            return self._create(key, data)
        with data.open("rb", buffering=0) as source:
            return self._create(key, source)

    def replace(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""
        with self._staged(key, data) as (staging, staged), self._parent(key, create=True) as (directory, name):
            os.replace(staged, name, src_dir_fd=staging, dst_dir_fd=directory)
            self._change(key)

    def stat(self, key: str) -> Stat | None:
        """Return what is known of an object, None when it is not there."""
        with self._reported(key), suppress(FileNotFoundError), self._parent(key) as (directory, name):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            self._change(key)  # whoever builds on what is there wants it to stay there
            return _stat(key, found)
        return None

    def list(self, prefix: str) -> Iterator[Stat]:
        """Yield the objects whose keys begin with `prefix`."""
        parts = tuple(check_prefix(prefix).split("/")[:-1])
        with self._reported(prefix), suppress(FileNotFoundError), self._directory(parts) as directory:
            yield from self._walk(directory, prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        for key in keys:
            with self._reported(key), suppress(FileNotFoundError), self._parent(key) as (directory, name):
                os.unlink(name, dir_fd=directory)
                self._change(key)

    def settle(self) -> None:
        """Bring the names of what was written and removed to the disk; the contents are there."""
        with self._changing:
            changed, self._changed = self._changed, set()
        for parts in sorted(changed):
            with self._reported("/".join(parts)), self._directory(parts) as directory:
                os.fsync(directory)

    def close(self) -> None:
        """Do nothing: nothing stays open between calls."""

    def _create(self, key: str, data: bytes | BinaryIO) -> bool:
        with self._staged(key, data) as (staging, staged), self._parent(key, create=True) as (directory, name):
            try:
                os.link(staged, name, src_dir_fd=staging, dst_dir_fd=directory, follow_symlinks=False)
            except FileExistsError:
                if _is_foreign(name, directory):
                    raise
                return False
            finally:
                self._change(key)
            return True

    @contextmanager
    def _staged(self, key: str, data: bytes | BinaryIO) -> Iterator[tuple[int, str]]:
        """Give a file with `data`, on the disk, as (descriptor of its directory, name); remove what is left of it."""
        name = secrets.token_hex(16)
        with self._reported(check_key(key)), self._directory((_STAGING,), create=True) as staging:
            try:
                descriptor = os.open(
                    name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _OBJECT_MODE, dir_fd=staging
                )
                with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor
                    self._sweep(staging, os.fstat(descriptor).st_mtime)
                    _write(file, data)
                    os.fdatasync(descriptor)
                yield staging, name
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=staging)

    def _sweep(self, staging: int, now: float) -> None:
        """Remove what killed writers staged, once per process; `now` is the time of the file system."""
        if self._swept:
            return
        self._swept = True
        with os.scandir(staging) as entries:
            for entry in entries:
                with suppress(OSError):  # gone already, or another user's
                    if entry.stat(follow_symlinks=False).st_mtime < now - _STAGED_MAX_S:
                        os.unlink(entry.name, dir_fd=staging)

    def _walk(self, directory: int, prefix: str) -> Iterator[Stat]:
        with os.scandir(directory) as entries:
            for entry in entries:
                if not is_segment(entry.name):
                    continue
                with suppress(FileNotFoundError):
                    if entry.is_dir(follow_symlinks=False):
                        inner = _enter(entry.name, directory)
                        try:
                            yield from self._walk(inner, f"{prefix}{entry.name}/")
                        finally:
                            os.close(inner)
                    elif (found := _stat(prefix + entry.name, entry.stat(follow_symlinks=False))) is not None:
                        yield found

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        with self._parent(key) as (directory, name):
            # Not to wait for a pipe that somebody put there.
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileNotFoundError(errno.ENOENT, "not an ordinary file")
            yield file

    @contextmanager
    def _parent(self, key: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        *parts, name = check_key(key).split("/")
        with self._directory(tuple(parts), create=create) as directory:
            yield directory, name

    @contextmanager
    def _directory(self, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
        """Open a directory below the root, one component after the other so that none of them is a link."""
        if create:
            self._root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for depth, part in enumerate(parts):
                if create and self._make(part, descriptor):
                    self._change("/".join(parts[: depth + 1]))
                inner = _enter(part, descriptor, create=create)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def _make(name: str, directory: int) -> bool:
        try:
            os.mkdir(name, dir_fd=directory)
        except FileExistsError:
            return False
        return True

    def _change(self, key: str) -> None:
        with self._changing:
            self._changed.add(tuple(key.split("/")[:-1]))

    def _where(self, key: str) -> str:
        return f"{self.url}/{key}"

    @contextmanager
    def _reported(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _fault(error, self._where(key)) from error


def _enter(name: str, directory: int, *, create: bool = False) -> int:
    """Open a directory that is not a link; below an object there is nothing, unless something is to be created."""
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    except NotADirectoryError:
        if not create and stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            raise FileNotFoundError(errno.ENOENT, "an object, not a directory") from None
        raise


def _is_foreign(name: str, directory: int) -> bool:
    """Say whether something is there that is no object."""
    with suppress(FileNotFoundError):
        return not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    return False


def _stat(key: str, found: os.stat_result) -> Stat | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    return Stat(key=key, size=found.st_size, modified=datetime.fromtimestamp(found.st_mtime, UTC))


def _write(file: BinaryIO, data: bytes | BinaryIO) -> None:
    if isinstance(data, bytes):
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        return
    while os.sendfile(file.fileno(), data.fileno(), None, _COPY_BYTES):
        pass


def _fault(error: OSError, where: str) -> BreakbulkError:
    why = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        return faults.missing(where)
    if error.errno in _FULL:
        return faults.full(where, why)
    if error.errno in _FOREIGN:
        return faults.refused(where, f"{why}: a link or a file is where a hub has a directory")
    if error.errno in _DENIED:
        return faults.denied(where, why)
    return faults.unreachable(where, why)
