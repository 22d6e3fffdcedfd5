"""What a store must keep: the locks that are in use on this machine, written down before they are realised.

    roots/projects/<digest of the path>        path of a lock that lives in a project; it counts while it is there
    roots/environments/<owner>~<name>/<digest> the lock of an environment of a hub; its time is that of its last use
    roots/pins/<name>                          a lock that is kept until it is unpinned

Every file is replaced whole. A lock that cannot be read may need anything, so whoever collects keeps everything then
(`Root.fault`). Counterpart of `collection`, which reads them; what is mounted needs no root.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from breakbulk.errors import BreakbulkError, NotFoundError, UsageError
from breakbulk.lock.files import decode_lock, encode_lock
from breakbulk.lock.model import Lock
from breakbulk.lock.replacing import replace_file
from breakbulk.store.layout import Layout
from breakbulk.store.using import using

__all__ = ["Root", "pin", "read_roots", "remember_environment", "remember_project", "unpin"]

_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~@-]{0,199}")


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """A lock that is kept, or was.

    Attributes:
        kind: Why.
        name: Path of the lock, `owner/name@sha256:...`, or name of the pin.
        path: The file in the store.
        used: When it was realised last.
        lock: None when it is gone (with a project), or cannot be read.
        fault: Why it cannot be read, None when it can, or is gone.

    """

    kind: Literal["project", "environment", "pin"]
    name: str
    path: Path
    used: datetime
    lock: Lock | None = None
    fault: str | None = None

    @property
    def gone(self) -> bool:
        """Whether there is nothing left to keep anything for."""
        return self.lock is None and self.fault is None


def remember_project(layout: Layout, lock_path: Path) -> None:
    """Keep what the lock at `lock_path` needs, for as long as that file is there."""
    path = os.fsencode(lock_path.absolute())
    _write(layout, layout.roots / "projects" / hashlib.sha256(path).hexdigest()[:32], path)


def remember_environment(layout: Layout, environment: str, digest: str, lock: Lock) -> None:
    """Keep what an environment of a hub needs; `environment` is `owner/name`, `digest` is `sha256:...`."""
    _write(
        layout,
        layout.roots / "environments" / environment.replace("/", "~") / digest.removeprefix("sha256:"),
        encode_lock(lock),
    )


def pin(layout: Layout, name: str, lock: Lock) -> None:
    """Keep what `lock` needs until it is unpinned; a pin of that name is replaced. Raises `UsageError`, `OSError`."""
    path = _pin_path(layout, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, encode_lock(lock), 0o644)


def unpin(layout: Layout, name: str) -> None:
    """Keep it no longer; raise `NotFoundError` `pin-unknown`."""
    try:
        _pin_path(layout, name).unlink()
    except FileNotFoundError:
        raise NotFoundError(
            f"nothing is pinned as {name}",
            identifier="pin-unknown",
            where=str(layout.roots / "pins"),
            hint="`breakbulk store roots` lists what is kept",
        ) from None


def read_roots(layout: Layout) -> Iterator[Root]:
    """Yield everything that has been written down, by kind and name."""
    for path in _files(layout.roots / "projects"):
        yield _project(path)
    for directory in _entries(layout.roots / "environments"):
        for path in _files(directory):
            yield _kept("environment", f"{directory.name.replace('~', '/', 1)}@sha256:{path.name}", path)
    for path in _files(layout.roots / "pins"):
        yield _kept("pin", path.name, path)


def _project(path: Path) -> Root:
    lock_path = Path(os.fsdecode(path.read_bytes()))
    root = Root(kind="project", name=str(lock_path), path=path, used=_used(path))
    try:
        return msgspec.structs.replace(root, lock=decode_lock(lock_path.read_bytes(), str(lock_path)))
    except (FileNotFoundError, NotADirectoryError):
        return root
    except (OSError, BreakbulkError) as error:
        return msgspec.structs.replace(root, fault=str(error))


def _kept(kind: Literal["environment", "pin"], name: str, path: Path) -> Root:
    root = Root(kind=kind, name=name, path=path, used=_used(path))
    try:
        return msgspec.structs.replace(root, lock=decode_lock(path.read_bytes(), str(path)))
    except (OSError, BreakbulkError) as error:
        return msgspec.structs.replace(root, fault=str(error))


def _used(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _files(directory: Path) -> list[Path]:
    return [path for path in _entries(directory) if path.is_file() and not path.name.startswith(".")]


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []


def _pin_path(layout: Layout, name: str) -> Path:
    if not _PIN.fullmatch(name):
        raise UsageError(
            "this cannot be the name of a pin",
            identifier="pin-name-invalid",
            where=repr(name[:200]),
            hint="use letters, digits, `.`, `-` and `_`",
        )
    return layout.roots / "pins" / name


def _write(layout: Layout, path: Path, data: bytes) -> None:
    """Write a root, or only renew its time when it is there already; never while a collection drops some."""
    with using(layout):
        try:
            os.utime(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data, 0o644)
