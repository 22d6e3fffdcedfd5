"""Which bytes of an object a request wants (RFC 9110 section 14): one range, from one end or the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from breakbulk.errors import HubError

__all__ = ["Part", "choose", "limited"]

_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})", re.ASCII)


class Part(msgspec.Struct, frozen=True):
    """The bytes from `start` to before `end` of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """The header of that name."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def choose(header: str, size: int) -> Part | None:
    """Return the part that `Range` asks for; None for the whole, which is also the answer to what is not understood.

    Raises:
        HubError: `range-unsatisfiable`, nothing of it exists.

    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match["first"] or match["last"]):
        return None
    if match["first"]:
        start, end = int(match["first"]), min(int(match["last"]) + 1 if match["last"] else size, size)
        if match["last"] and int(match["last"]) < start:
            return None
    else:
        start, end = max(0, size - int(match["last"])), size
    if start >= size or start >= end:
        raise HubError(
            "the object has no such bytes", identifier="range-unsatisfiable", why=f"it has {size}, asked was {header}"
        )
    return Part(start, end, size)


def limited(pieces: Iterable[bytes], length: int) -> Iterator[bytes]:
    """Yield the first `length` bytes of what comes in pieces."""
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return
