"""Why two builds of one recipe differ: which files, and what it looks like. Pure.

A reason is a guess from the bytes that differ, told only where they say it clearly: times, the order of lines or of
members, the directory of the build, a random name. None is better than a wrong one.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping

import msgspec

from breakbulk.ecosystems.source.selection import Item

__all__ = ["Difference", "compare_items", "reason"]

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_SPAN_MAX = 64
_TIME_SLACK_S = 86400
_CLOCK = re.compile(rb"\d{1,2}:\d{2}(?::\d{2})?|\d{4}-\d{2}-\d{2}|\d{8}T?\d{0,6}")
_RANDOM = re.compile(rb"[0-9a-zA-Z_./-]{6,}")


class Difference(msgspec.Struct, frozen=True):
    """A path of the output that two builds do not have alike, and why as far as it can be told."""

    path: str
    reason: str | None


def compare_items(
    first: tuple[Item, ...], second: tuple[Item, ...], explain: Callable[[str], str | None]
) -> tuple[Difference, ...]:
    """Return the paths that differ, sorted; `explain` is asked for the reason of files with other bytes."""
    before, after = ({item.path: item for item in items} for items in (first, second))
    differing = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return tuple(Difference(path, _told(path, before, after, explain)) for path in differing)


def reason(first: bytes, second: bytes, *, moments_s: tuple[float, float]) -> str | None:
    """Return why two files differ; `moments_s` are when the two builds ran (seconds since 1970)."""
    if first.startswith(_GZIP) and second.startswith(_GZIP) and first[:4] + first[8:] == second[:4] + second[8:]:
        return "the header of gzip has a time in it (`gzip -n` leaves it out)"
    if first.startswith(_ZIP) and second.startswith(_ZIP):
        return _zip_reason(first, second)
    if sorted(first.splitlines()) == sorted(second.splitlines()):
        return "the same lines in another order"
    spans = _spans(first, second)
    if spans and all(_is_time(*span, moments_s) for span in spans):
        return "a time of the build is in it (SOURCE_DATE_EPOCH is the one to use)"
    if len(first) == len(second) and sorted(first) == sorted(second):
        return "the same bytes in another order"
    if spans and all(_RANDOM.fullmatch(one) and _RANDOM.fullmatch(other) for one, other in spans):
        return "a random or temporary name is in it"
    return None


def _told(
    path: str, before: Mapping[str, Item], after: Mapping[str, Item], explain: Callable[[str], str | None]
) -> str | None:
    one, other = before.get(path), after.get(path)
    if one is None or other is None:
        return f"only the {'second' if one is None else 'first'} build has it"
    if one.kind != other.kind:
        return f"a {one.kind} in the first build, a {other.kind} in the second"
    if one.kind == "link":
        return f"it points to {one.content} in the first build, to {other.content} in the second"
    if one.content == other.content:
        return "executable in one build only"
    return explain(path)


def _zip_reason(first: bytes, second: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(first)) as one, zipfile.ZipFile(io.BytesIO(second)) as other:
            left, right = ([(info.filename, info.CRC) for info in each.infolist()] for each in (one, other))
    except (zipfile.BadZipFile, ValueError):
        return None
    if left == right:
        return "the members of the archive have times of the build"
    return "the same members in another order" if sorted(left) == sorted(right) else None


def _spans(first: bytes, second: bytes) -> list[tuple[bytes, bytes]]:
    """Return the words around bytes that differ, of two files of one length; nothing where they have moved."""
    if len(first) != len(second):
        one, other = first.split(), second.split()
        if len(one) != len(other):
            return []
        return [(a, b) for a, b in zip(one, other, strict=True) if a != b][:_SPAN_MAX]
    spans: list[tuple[bytes, bytes]] = []
    at = 0
    while len(spans) < _SPAN_MAX and at < len(first):
        if first[at] == second[at]:
            at += 1
            continue
        start, end = _word(first, second, at)
        spans.append((first[start:end], second[start:end]))
        at = end
    return spans


def _word(first: bytes, second: bytes, at: int) -> tuple[int, int]:
    """Return the bounds of the printable words around a byte that differs; of binary data the four bytes it is in."""

    def inside(index: int) -> bool:
        return all(33 <= data[index] < 127 for data in (first, second))

    if not inside(at):
        start = at - at % 4
        return start, min(start + 4, len(first))
    start, end = at, at
    while start > 0 and inside(start - 1) and at - start < _SPAN_MAX:
        start -= 1
    while end < len(first) and inside(end) and end - at < _SPAN_MAX:
        end += 1
    return start, end


def _is_time(one: bytes, other: bytes, moments_s: tuple[float, float]) -> bool:
    if len(one) == 4 == len(other) and any(_near(int.from_bytes(one, order), moments_s) for order in ("little", "big")):
        return True
    numbers = re.findall(rb"\d{10}", one)
    if any(_near(int(number), moments_s) for number in numbers):
        return True
    return _CLOCK.sub(b"", one) == _CLOCK.sub(b"", other)


def _near(moment_s: int, moments_s: tuple[float, float]) -> bool:
    return any(abs(moment_s - each) < _TIME_SLACK_S for each in moments_s)
