"""Keep realisations and a collection of the same store apart, for the moment in which the collection decides.

Whoever realises holds the store in *use* (a shared lock) from its first look until everything is there; whoever
collects holds it *alone* while it reads the roots and takes what nobody needs out of sight. A root is written before
the lock is taken: so either the collection sees it, or the realisation sees what is missing.

The kernel gives a lock back when its holder dies. `flock(2)` on `locks/use`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from breakbulk.reporting import Reporter
from breakbulk.store.layout import Layout

__all__ = ["alone", "using"]


@contextmanager
def using(layout: Layout) -> Iterator[None]:
    """Hold the store in use; a store that we may not write, or that is not there yet, is not held."""
    descriptor = _open(layout)
    try:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def alone(layout: Layout, reporter: Reporter) -> Iterator[None]:
    """Hold the store alone, after everybody who realises. Raises `OSError`."""
    layout.locks.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(layout.locks / "use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reporter.note("waiting until nobody realises")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(layout: Layout) -> int | None:
    try:
        return os.open(layout.locks / "use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        try:
            layout.prepare()
            return os.open(layout.locks / "use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None  # whoever makes trees says what is wrong
    except OSError:
        return None
