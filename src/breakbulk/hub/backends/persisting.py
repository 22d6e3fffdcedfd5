"""Ask again what failed for now: bounded, with exponential back-off and jitter.

Counterpart: `answers`, which says what may be asked again; settings say how often.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from obstore.exceptions import BaseError

from breakbulk.hub.backends.answers import Answer, PlaceError, read_answer

__all__ = ["Persistence", "Tries"]

_PAUSE_S = 0.1
_PAUSE_MAX_S = 10.0

Result = TypeVar("Result")


class Persistence:
    """How often something is tried.

    Args:
        tries: At most, in all.
        pause: Waits the seconds it is given.

    """

    def __init__(self, tries: int, pause: Callable[[float], object] = time.sleep) -> None:
        self.tries = tries
        self.pause = pause

    def persist(self, where: str, ask: Callable[[Tries], Result]) -> Result:
        """Return what `ask` gives, called until it gives something or there is no point.

        Raises:
            BreakbulkError: The last failure, as `Answer.fault` words it; `where` is the place and the key.
            FileNotFoundError: As `ask` does.

        """
        tries = Tries(self, where)
        while True:
            try:
                return ask(tries)
            except BaseError as error:
                tries.failed(error)


class Tries:
    """The tries of one thing so far.

    Attributes:
        uncertain: Whether an earlier one may have been done although it seemed to fail.

    """

    def __init__(self, persistence: Persistence, where: str) -> None:
        self._persistence = persistence
        self._where = where
        self._failures = 0
        self.uncertain = False

    def failed(self, error: Exception) -> Answer:
        """Wait until it is time to try again; raise the error of ours when it is not to be."""
        answer = read_answer(error)
        self._failures += 1
        self.uncertain = self.uncertain or not answer.certain
        if not answer.again or self._failures >= self._persistence.tries:
            raise answer.fault(self._where) from PlaceError(answer.why)
        longest_s = min(_PAUSE_MAX_S, _PAUSE_S * 2.0**self._failures)
        self._persistence.pause(longest_s * random.uniform(0.5, 1.0))  # noqa: S311
        return answer

    def progressed(self) -> None:
        """Count from the beginning: something new came."""
        self._failures = 0
