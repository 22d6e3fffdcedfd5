"""Unpack archives in processes of their own, so that all cores are used and a crash costs a worker only.

Counterpart of `unpack_worker`. A worker is used by one thread, is started by it, and dies with it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from breakbulk.ecosystems.interface import Unpacked
from breakbulk.errors import PlatformError, StoreError
from breakbulk.lock.model import Package, Python

__all__ = ["Unpacking", "Unpacks", "open_unpacker", "unpack_here"]

_FAR_SIDE = Path(__file__).with_name("unpack_worker.py")


class Unpacking(Protocol):
    """What knows how an archive or object becomes a tree: an ecosystem, or the offer of a prepared package."""

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack a verified file into the empty directory `into`. Arguments and result can be pickled."""


class Unpacks(Protocol):
    """What unpacks archives, one after the other."""

    def unpack(self, way: Unpacking, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack a verified archive into the empty directory `into`; raise what `way` raises."""

    def abandon(self) -> None:
        """End the work in progress."""


class Unpacker:
    """One worker process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._orders, self._answers = process.stdin, process.stdout
        self._send(sys.path)

    def unpack(self, way: Unpacking, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack a verified archive into the empty directory `into`; raise what `way` raises.

        Raises:
            StoreError: `worker-died`, when the process was killed.

        """
        try:
            self._send((way.unpack, archive, package, python, into))
            assert self._answers is not None  # noqa: S101 - opened as a pipe
            listing, error = pickle.load(self._answers)  # noqa: S301 - from our own worker
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as broken:
            raise self._died(package) from broken
        if error is not None:
            raise error
        return msgspec.msgpack.decode(listing, type=Unpacked)

    def abandon(self) -> None:
        """Kill the process."""
        self._process.kill()

    def _send(self, order: object) -> None:
        assert self._orders is not None  # noqa: S101 - opened as a pipe
        pickle.dump(order, self._orders, protocol=pickle.HIGHEST_PROTOCOL)
        self._orders.flush()

    def _died(self, package: Package) -> StoreError:
        return StoreError(
            f"the process that unpacked {package.file} was killed",
            identifier="worker-died",
            where=package.id,
            why=f"it ended with {self._process.wait()}, likely for want of memory",
            hint="set BREAKBULK_JOBS=1 and run the command again",
        )


class _Here:
    """No worker: for a few small archives, which are unpacked sooner than a process has started."""

    def unpack(self, way: Unpacking, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        """Unpack as `Unpacker` does."""
        return way.unpack(archive, package, python, into)

    def abandon(self) -> None:
        """Let the archive in progress be unpacked: it is small."""


@contextmanager
def unpack_here() -> Iterator[_Here]:
    """Open what unpacks in this process."""
    yield _Here()


@contextmanager
def open_unpacker() -> Iterator[Unpacker]:
    """Start a worker; it is killed on leaving. Raises `PlatformError` `worker-not-started`."""
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_FAR_SIDE), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise PlatformError(
            "no process can be started to unpack packages",
            identifier="worker-not-started",
            where=sys.executable,
            why=error.strerror,
            hint="see the limits on processes (`ulimit -u`) and memory; BREAKBULK_JOBS=1 needs fewer",
        ) from error
    try:
        yield Unpacker(process)
    finally:
        process.kill()
        process.communicate()
