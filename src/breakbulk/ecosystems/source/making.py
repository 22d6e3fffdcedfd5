"""Archives made from sources, each once: kept in the store under their digest, found again by the source's digest.

Two processes, or two systems of one lock, that need the same wheel build it once; a back end that does not give equal
bytes for equal sources is asked only once as well. `<cache>/source/made/<digest>` says which archive a source became.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.ecosystems.source.selection import file_digest
from breakbulk.errors import StoreError

__all__ = ["Archives", "Made"]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An archive made from a source.

    Attributes:
        file: Name of the archive; that of a wheel says what it is.
        size: In bytes.
        sha256: Of the archive.
        tree: Digest of the source; of what a build made, of its output.
        name: Of the distribution, when it is a wheel.
        version: Of the distribution, when it is a wheel; of what a build made.
        license: What its metadata says.
        python: Minor version of the Python that the files are for, when a build made them for one.

    """

    file: str
    tree: str
    size: int = 0
    sha256: str = ""
    name: str | None = None
    version: str | None = None
    license: str | None = None
    python: str | None = None


class Archives:
    """The archives made here, in `directory` (the store's `archives`), remembered in `cache`."""

    def __init__(self, directory: Path, cache: Path) -> None:
        self._directory = directory
        self._records = cache / "source" / "made"

    def path(self, sha256: str) -> Path:
        """Return where the archive of this digest is, present or not."""
        return self._directory / sha256

    def made_once(self, key: str, make: Callable[[IO[bytes]], Made], *, anew: bool = False) -> Made:
        """Return what was made under `key`, a digest of everything that decides it, or let `make` write it now.

        With `anew` it is written again whatever was made before. `make` returns the archive's description; size and
        digest are added here. Raises `StoreError` when there is no room or no permission.
        """
        try:
            with self._locked(key):
                made = None if anew else self._recall(key)
                if made is None or not self.path(made.sha256).exists():
                    made = self._keep(make)
                    self._remember(key, made)
                return made
        except OSError as error:
            raise _fault(error, self._directory) from error

    def _keep(self, make: Callable[[IO[bytes]], Made]) -> Made:
        """Write an archive under a temporary name, then give it that of its digest; it is there whole or not at all."""
        # As `store.layout` has it: the store of root is closed to others.
        self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with scratch(self._directory) as place, (place / "archive").open("xb") as file:
            made = make(file)
            file.flush()
            os.fsync(file.fileno())
            made = msgspec.structs.replace(made, sha256=file_digest(file.name), size=os.fstat(file.fileno()).st_size)
            os.fchmod(file.fileno(), 0o444)
            os.replace(file.name, self.path(made.sha256))
        _sync_directory(self._directory)
        return made

    def _remember(self, key: str, made: Made) -> None:
        path = self._records / key
        half_made = path.with_suffix(".new")  # whoever writes it holds the lock of `key`
        half_made.write_bytes(msgspec.json.encode(made))
        os.replace(half_made, path)

    def _recall(self, key: str) -> Made | None:
        try:
            return msgspec.json.decode((self._records / key).read_bytes(), type=Made)
        except (OSError, msgspec.DecodeError):  # never made, or of another format: it is made again
            return None

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        self._records.mkdir(parents=True, exist_ok=True)
        with (self._records / f"{key}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(error: OSError, directory: Path) -> StoreError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return StoreError(
        "the archive of a source cannot be kept",
        identifier="disk-full" if full else "store-not-writable",
        where=str(error.filename or directory),
        why=error.strerror or str(error),
        hint="make room"
        if full
        else "give yourself the directory, or set BREAKBULK_STORE and BREAKBULK_CACHE to others",
    )
