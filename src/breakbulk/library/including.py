"""Environments of a hub that a manifest includes: `[include] environments = ["owner/base", "owner/tools:3"]`.

What an include meant is in the lock, generation and digest, so a manifest composes the same until `lock --upgrade
owner/base` moves it; and an unchanged lock asks no hub, as the locks of what it includes are remembered by digest.
What is included is whole: its own sources come as the archives it was pushed with (`keeping`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from breakbulk.errors import BreakbulkError
from breakbulk.hub.names import Reference
from breakbulk.lock.files import decode_lock, encode_lock, identity
from breakbulk.lock.model import Lock, LockedInclude
from breakbulk.lock.replacing import replace_file
from breakbulk.manifest.reading import from_builtins
from breakbulk.manifest.schema import IncludedRemote, Manifest
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings

__all__ = ["Includes", "moved_by"]


class Includes:
    """The resolver of one composition (`manifest.composition.compose`), and what it found.

    Args:
        settings: Of this process.
        reporter: Who is told of decisions.
        locked: What the lock says of each reference so far.
        moving: References to resolve anew though they are locked.

    Attributes:
        resolved: What each reference meant.

    """

    def __init__(
        self,
        settings: Settings,
        reporter: Reporter,
        locked: Mapping[str, LockedInclude],
        moving: frozenset[str] = frozenset(),
    ) -> None:
        self._settings = settings
        self._reporter = reporter
        self._locked = {name: include for name, include in locked.items() if name not in moving}
        self._locks: dict[str, tuple[Reference, Lock]] = {}
        self.resolved: dict[str, LockedInclude] = {}

    def __call__(self, included: IncludedRemote) -> Manifest:
        """Return the composed manifest of an included environment.

        Raises:
            NotFoundError: `environment-unknown`, `generation-unknown`.
            NetworkError: The hub cannot be reached, and this machine has not met the environment before.
            IntegrityError, HubError: It is not what was pushed, or not trusted.

        """
        reference = _reference(included)
        locked, lock = self._found(reference)
        self.resolved[str(reference)] = locked
        name = included.name or PurePosixPath(included.remote).name
        self._locks[name] = (_pinned(reference, locked), lock)
        return self._without_constraints(from_builtins(lock.manifest), str(reference))

    def origin(self, writers: Iterable[str]) -> tuple[Reference, Lock] | None:
        """Return the included environment that wrote an entry last, None when that is none of a hub."""
        *_, writer = writers
        return self._locks.get(writer.rpartition("/")[2])

    def _found(self, reference: Reference) -> tuple[LockedInclude, Lock]:
        locked = self._locked.get(str(reference))
        lock = _recall(self._settings.cache, locked.digest) if locked else None
        if locked is not None and lock is not None:
            return locked, lock
        return self._asked(_pinned(reference, locked) if locked else reference)

    def _asked(self, reference: Reference) -> tuple[LockedInclude, Lock]:
        from breakbulk.library.remote import RemoteEnvironment

        remote = RemoteEnvironment(reference, self._settings, self._reporter)
        change = remote.recorded.change
        _remember(self._settings.cache, remote.lock)
        return LockedInclude(generation=change.generation, digest=change.digest), remote.lock

    def _without_constraints(self, manifest: Manifest, name: str) -> Manifest:
        """Drop files that only exist where the environment was pushed; its packages are locked by what they said."""
        if not manifest.options.constraints:
            return manifest
        self._reporter.note(f"the constraints files of {name} are not included")
        return msgspec.structs.replace(manifest, options=msgspec.structs.replace(manifest.options, constraints=None))


def moved_by(upgrade: frozenset[str] | None, locked: Mapping[str, LockedInclude]) -> frozenset[str]:
    """Return the references that an upgrade moves: all of them, or those of the environments it names."""
    if upgrade is None:
        return frozenset()
    return frozenset(name for name in locked if not upgrade or {name, name.partition(":")[0]} & upgrade)


def _recall(cache: Path, digest: str) -> Lock | None:
    """Return the lock of the environment with `digest`, if this machine has met it."""
    try:
        lock = decode_lock(_path(cache, digest).read_bytes(), digest)
    except (OSError, BreakbulkError):
        return None
    return lock if identity(lock) == digest else None


def _remember(cache: Path, lock: Lock) -> None:
    path = _path(cache, identity(lock))
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, encode_lock(lock), 0o644)


def _path(cache: Path, digest: str) -> Path:
    return cache / "hub" / "locks" / digest.removeprefix("sha256:")


def _reference(included: IncludedRemote) -> Reference:
    from breakbulk.hub.names import parse_reference

    generation = f":{included.generation}" if included.generation else ""
    return parse_reference(included.remote + generation)


def _pinned(reference: Reference, locked: LockedInclude) -> Reference:
    return msgspec.structs.replace(reference, generation=None, digest=locked.digest)
