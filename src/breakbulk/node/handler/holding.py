"""Keep packages from collection between reading a plan and mounting what it names.

The lock is that of `store.using`: whoever collects holds it alone for the moment in which it decides; what is mounted
it sees by itself. Here because that module knows the layout of a store, which takes longer to import than all of this.
"""

from __future__ import annotations

import fcntl
import os
import time

from breakbulk.errors import StoreError

__all__ = ["InUse"]

_WAIT_S = 30.0
_PAUSE_S = 0.02


class InUse:
    """A store that is not collected while this is entered (`store.using`): until its packages are mounted.

    Raises on entering: `StoreError` `store-busy`, `store-missing`.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, store: str) -> None:
        self._path = f"{store}/locks/use"

    def __enter__(self) -> None:
        self._descriptor = _opened(self._path)
        try:
            _lock(self._descriptor, self._path)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _lock(descriptor: int, path: str) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not _locked(descriptor):
        if time.monotonic() > deadline:
            raise StoreError(
                "the store is being collected, and that does not end",
                identifier="store-busy",
                where=path,
                hint="look at the node agent's log; the pod is tried again",
            )
        time.sleep(_PAUSE_S)


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(
            "the store of this node cannot be used",
            identifier="store-missing",
            where=path,
            why=error.strerror,
            hint="run `breakbulk node doctor`",
        ) from error


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
