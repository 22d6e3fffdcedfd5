"""A log on a hub: entries numbered from 1 below one prefix, of which none is ever replaced.

Guarantees: one conditional create allots a number, so that of any number of writers each gets one of its own and none
is lost; when an answer gets lost on its way, the bytes tell whether the entry that is there is ours; what an entry
refers to is on the disk before it, and it is on the disk when it is acknowledged. Nothing is cached. Counterparts:
`hub`, `packages`, `key_statements` and `index`, which say what the entries are; `format`, as nobody writes to a layout
that they do not know.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec

from breakbulk.errors import HubError, NetworkError
from breakbulk.hub.format import check_format, write_format
from breakbulk.hub.layout import is_numbered, numbered
from breakbulk.hub.names import is_reference
from breakbulk.hub.objects import Objects
from breakbulk.store.milestones import passed

__all__ = ["Entry", "Log", "last_numbers"]

_TRIES = 500  # of allotting one number; fifty writers at once need fifty at worst
_PAUSE_S = 0.01
_PAUSE_MAX_S = 0.5


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended, and the number it got."""

    number: int
    data: bytes


class Log:
    """The log below one prefix. May be used from several threads.

    Args:
        objects: The place.
        prefix: What the keys of its entries begin with; ends with `/`.
        name: Of whom it tells, for errors.
        pause: Waits the seconds it is given, between tries.

    """

    def __init__(self, objects: Objects, prefix: str, name: str, pause: Callable[[float], object] = time.sleep) -> None:
        self._objects = objects
        self._prefix = prefix
        self._name = name
        self._pause = pause

    def key(self, number: int) -> str:
        """Return where entry `number` is."""
        return self._prefix + numbered(number)

    def numbers(self) -> list[int]:
        """Return the numbers of all entries, in no particular order."""
        names = (stat.key.removeprefix(self._prefix) for stat in self._objects.list(self._prefix))
        return [int(name) for name in names if is_numbered(name)]

    def last_number(self) -> int:
        """Return the number of the newest entry, 0 when there is none."""
        return max(self.numbers(), default=0)

    def append(self, make: Callable[[int], bytes | None]) -> Entry | None:
        """Write the next entry.

        Args:
            make: Gives the entry that follows the one of this number (0: the first entry), when everything that it
                refers to has been written; called again when somebody else was quicker. None when nothing is to be
                written after all; nor does `append` write anything then.

        Raises:
            HubError: `hub-contended`, others were quicker every time; `hub-newer`, the hub has a layout we do not know;
                and as the backend.
            NetworkError: As the backend; nothing was written.

        """
        has_format = check_format(self._objects)
        for tried in range(_TRIES):
            number = self.last_number() + 1
            data = make(number - 1)
            if data is None:
                return None
            if not has_format:
                write_format(self._objects)
            self._objects.settle()
            if self.create(number, data):
                passed("change-created")
                self._objects.settle()
                return Entry(number=number, data=data)
            self._pause(min(_PAUSE_MAX_S, _PAUSE_S * 2**tried) * random.uniform(0.5, 1.5))  # noqa: S311
        raise HubError(
            f"others changed {self._name} {_TRIES} times while we tried to",
            identifier="hub-contended",
            where=self._objects.url,
            hint="run the command again",
        )

    def create(self, number: int, data: bytes) -> bool:
        """Write entry `number` and return True; return False when somebody else's is there."""
        key = self.key(number)
        try:
            return self._objects.create(key, data) or self._holds(key, data)
        except NetworkError:
            if self._objects.stat(key) is None:
                raise
            return self._holds(key, data)

    def _holds(self, key: str, data: bytes) -> bool:
        stat = self._objects.stat(key)
        return stat is not None and stat.size == len(data) and self._objects.get(key, limit_bytes=stat.size) == data


def last_numbers(objects: Objects, top: str) -> dict[str, int]:
    """Return the number of the newest change of every `owner/name` below `top`. Lists all of it: not for users."""
    newest: dict[str, int] = {}
    for stat in objects.list(top):
        name, _, number = stat.key.removeprefix(top).partition("/changes/")
        if is_numbered(number) and is_reference(name):
            newest[name] = max(newest.get(name, 0), int(number))
    return newest
