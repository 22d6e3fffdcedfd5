"""Ask a server again where that may help: with growing pauses, so that a crowd of clients does not come back at once.

Counterpart of `store.transfers`, which has its own way with packages, as those go on where they ended.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from breakbulk.errors import NetworkError

__all__ = ["TRANSIENT", "lasting", "repeated"]

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of HTTP that may be another one in a moment."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 8.0

Answer = TypeVar("Answer")


class _LastingError(NetworkError):
    """A server answers, and will answer the same next time."""

    retryable = False


def lasting(error: NetworkError) -> NetworkError:
    """Return an error as one that does not go away by itself."""
    return _LastingError(error.message, identifier=error.reference, where=error.where, why=error.why, hint=error.hint)


def repeated(ask: Callable[[], Answer], *, tries: int) -> Answer:
    """Return what `ask` returns, tried again while it raises a `NetworkError` that is retryable; raise the last."""
    for attempt in range(1, tries + 1):
        try:
            return ask()
        except NetworkError as error:
            if attempt == tries or not error.retryable:
                raise
        time.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1)) * (1 + random.random()))  # noqa: S311
    raise AssertionError("there is at least one try")
