"""Read and write `breakbulk.lock`, and the digest that is an environment's identity.

The file is JSON with sorted keys, two spaces of indent and one object per package, so that a difference reads well and
equal locks are equal bytes. It carries its own digest: a lock that was edited by hand, or merged by a tool that does
not know what it merges, is noticed before anything of it is trusted.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.errors import LockError
from breakbulk.lock.model import LOCK_VERSION, Lock
from breakbulk.lock.replacing import remove_abandoned, replace_file

__all__ = ["LOCK_FILE", "decode_lock", "encode_lock", "identity", "read_lock", "write_lock"]

LOCK_FILE = "breakbulk.lock"
_RELOCK = "run `breakbulk lock`, which keeps the versions that are locked"
_RESTORE = "restore it (`git checkout -- breakbulk.lock`), or remove it and run `breakbulk lock`, which chooses anew"
_SAFE_PATH = re.compile(r"(?!/)(?!.*(^|/)\.\.?(/|$))[^\x00-\x1f\\]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def identity(lock: Lock) -> str:
    """Return `sha256:` and the digest of the lock in canonical JSON (RFC 8785's rules for what a lock holds)."""
    return _digest(_values(lock))


def encode_lock(lock: Lock) -> bytes:
    """Return the bytes of the file for `lock`."""
    values = _values(lock)
    return _pretty({**values, "digest": _digest(values)})


def decode_lock(data: bytes, file: str, *, edited: bool = False) -> Lock:
    """Return the lock in `data`; with `edited` also one whose digest does not match, to lock anew from it.

    Raises:
        LockError: `lock-malformed`, `lock-newer` (made by a later version), or `lock-edited` (digest does not match).

    """
    values = _parse(data, file)
    version = values.get("lock-version")
    if isinstance(version, int) and version > LOCK_VERSION:
        raise LockError(
            f"this lock has format {version}, this program reads up to {LOCK_VERSION}",
            identifier="lock-newer",
            where=file,
            hint="install the version of Breakbulk that made it, or newer",
        )
    claimed = values.pop("digest", None)
    try:
        lock = msgspec.convert(values, Lock)
    except msgspec.ValidationError as error:
        raise LockError(
            "the lock is not in the format of a lock",
            identifier="lock-malformed",
            where=file,
            why=str(error),
            hint=_RESTORE,
        ) from error
    if claimed != _digest(values) and not edited:
        raise LockError(
            "the lock does not match its own digest",
            identifier="lock-edited",
            where=file,
            why="it was edited by hand, or two versions were merged",
            hint=_RELOCK,
        )
    _check_packages(lock, file)
    return lock


def read_lock(path: Path, *, edited: bool = False) -> Lock | None:
    """Return the lock at `path`, None when there is no file; raise `LockError` as `decode_lock` does."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockError(
            "the lock cannot be read", identifier="lock-unreadable", where=str(path), why=error.strerror
        ) from error
    return decode_lock(data, str(path), edited=edited)


def write_lock(path: Path, lock: Lock) -> bool:
    """Write `lock` to `path` in one step; return False when the file has these bytes already.

    Raises:
        LockError: `lock-not-writable`.

    """
    data = encode_lock(lock)
    try:
        if path.exists() and path.read_bytes() == data:
            remove_abandoned(path.parent)
            return False
        replace_file(path, data, 0o666 & ~_umask())
    except OSError as error:
        raise LockError(
            "the lock cannot be written",
            identifier="lock-not-writable",
            where=str(path),
            why=error.strerror,
            hint="make the directory writable, or copy the environment to one that is",
        ) from error
    return True


def _umask() -> int:
    """Return the process's umask without changing it (proc(5), field Umask)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


def _values(lock: Lock) -> dict[str, Any]:
    """Return what a file says of `lock`: nothing of who vouched for what, which is for one machine to know."""
    values: dict[str, Any] = msgspec.to_builtins(lock)
    for system in values["systems"].values():
        for package in system["packages"]:
            package.pop("vouched", None)
    return values


def _digest(values: dict[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _pretty(values: dict[str, Any]) -> bytes:
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _parse(data: bytes, file: str) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        conflict = b"\n<<<<<<<" in data or data.startswith(b"<<<<<<<")
        raise LockError(
            "the lock is not JSON",
            identifier="lock-malformed",
            where=file,
            why="it holds the marks of a merge conflict" if conflict else str(error),
            hint="take either side, then run `breakbulk lock`" if conflict else _RESTORE,
        ) from error
    if not isinstance(values, dict):
        raise LockError("the lock is not a JSON object", identifier="lock-malformed", where=file, hint=_RESTORE)
    return values


def _check_packages(lock: Lock, file: str) -> None:
    """Refuse what a digest that was computed anew would hide: names that are no names, digests that are none."""
    for system, locked in lock.systems.items():
        for package in locked.packages:
            wrong = (
                (not _SHA256.fullmatch(package.sha256) and "sha256")
                or (not _SAFE_PATH.fullmatch(package.file) and "file")
                or (package.size < 0 and "size")
                or (not _plain(package.name) and "name")
                or (not _plain(package.version) and "version")
                or (package.vouched is not None and "vouched")
            )
            if wrong:
                raise LockError(
                    f"package {package.id!r} of {system} has a value for {wrong!r} that cannot be",
                    identifier="lock-malformed",
                    where=file,
                    hint=_RESTORE,
                )


def _plain(word: str) -> bool:
    return bool(word) and word.isprintable() and "/" not in word and word not in {".", ".."}
