"""Keep packages from collection between reading a plan and mounting what it names.

The lock is that of `store.using`: whoever collects holds it alone for the moment in which it decides; what is mounted
it sees by itself. Here because that module knows the layout of a store, which takes longer to import than all of this.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from breakbulk.errors import StoreError

__all__ = ["in_use"]

_WAIT_S = 30.0
_PAUSE_S = 0.02


@contextmanager
def in_use(store: str) -> Iterator[None]:
    """Keep the store from being collected (`store.using`), until the packages are mounted."""
    path = f"{store}/locks/use"
    descriptor = _opened(path)
    try:
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
        yield
    finally:
        os.close(descriptor)


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
