"""What this machine remembers of suites: the last accepted Release of each at each mirror.

    releases/<key>/state     the Release in short form, when it was last asked for, and which indices were compiled
    releases/<key>/lock      held while one process renews it

The memory is what a replay is judged against, so it is changed under a lock, whole or not at all. It may be deleted;
then the next Release is believed whatever its date.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.ecosystems.deb.release import Release
from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import StoreError
from breakbulk.lock.replacing import replace_file

__all__ = ["Memory", "State"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one suite at one mirror.

    Attributes:
        release: The last accepted one; None means that the mirror has no such suite.
        checked: When the mirror was last asked, in seconds since the epoch.
        etag: Validator of the last answer.
        modified: Likewise.
        compiled: File names of compiled indices by the index's path, the current one first.

    """

    release: Release | None
    checked: float
    etag: str | None = None
    modified: str | None = None
    compiled: dict[str, tuple[str, ...]] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(State).decode


class Memory:
    """States by source, below `root`; collects `notes`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.notes: list[str] = []

    def load(self, source: Source) -> State | None:
        """Return what is known; a state that cannot be read is none at all, and noted."""
        directory = self._directory(source)
        try:
            return _decode((directory / "state").read_bytes())
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            self.notes.append(f"what was remembered of {source.suite} could not be read; it is fetched anew")
            return None
        except OSError as error:
            raise _unusable(directory, error) from error

    def save(self, source: Source, state: State) -> None:
        """Replace what is known, complete or not at all; call with `locked` held."""
        replace_file(self._directory(source) / "state", _encode(state), 0o644)

    @contextlib.contextmanager
    def locked(self, source: Source) -> Iterator[None]:
        """Hold the lock of a suite: of several processes, and threads, one renews it.

        Raises:
            StoreError: `cache-unwritable`: for whatever the system refuses meanwhile, a full disk too.

        """
        directory = self._directory(source)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(directory, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise _unusable(directory, error) from error
        finally:
            os.close(descriptor)

    def _directory(self, source: Source) -> Path:
        words = (source.directory, *source.signed_by)
        return self._root / "releases" / hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def _unusable(directory: Path, error: OSError) -> StoreError:
    return StoreError(
        "the cache of Debian indices cannot be used",
        identifier="cache-unwritable",
        where=str(error.filename or directory),
        why=error.strerror,
        hint="free some space, or set BREAKBULK_CACHE to a directory of yours",
    )
