"""Turn values into text for people: sizes, durations, tables, colours.

Pure functions of their arguments; the commands decide what to show, `invocation` where it goes. Tables are aligned by
hand, because importing rich takes longer than most commands run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from click import style

if TYPE_CHECKING:
    from typing import TextIO

__all__ = [
    "Style",
    "columns",
    "count",
    "human_age",
    "human_duration",
    "human_size",
    "human_time",
    "indented",
    "one_line",
    "printable",
    "wants_colour",
]

_STEP = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_GUTTER = "  "
_AGES = (
    ("year", 365 * 86_400),
    ("month", 30 * 86_400),
    ("week", 7 * 86_400),
    ("day", 86_400),
    ("h", 3600),
    ("min", 60),
)


@dataclass(frozen=True)
class Style:
    """Emphasis for a terminal, or none: each method returns the text, in colour when `enabled`."""

    enabled: bool

    def strong(self, text: str) -> str:
        """Mark a heading or a name."""
        return style(text, bold=True) if self.enabled else text

    def faint(self, text: str) -> str:
        """Mark what can be skipped."""
        return style(text, dim=True) if self.enabled else text

    def good(self, text: str) -> str:
        """Mark what was added or works."""
        return style(text, fg="green") if self.enabled else text

    def bad(self, text: str) -> str:
        """Mark what was removed or is wrong."""
        return style(text, fg="red", bold=True) if self.enabled else text

    def notable(self, text: str) -> str:
        """Mark what changed or needs attention."""
        return style(text, fg="yellow") if self.enabled else text


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether to write colours: never with NO_COLOR (https://no-color.org), else on terminals that can."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


def human_size(size_bytes: float) -> str:
    """Return bytes with a decimal unit and three digits: `999 B`, `12.3 MB`."""
    value = float(size_bytes)
    for unit in _UNITS:
        if abs(value) < _STEP - 0.5 or unit == _UNITS[-1]:
            break
        value /= _STEP
    digits = 0 if unit == "B" or abs(value) >= 99.95 else 1
    return f"{value:.{digits}f} {unit}"


def human_duration(seconds: float) -> str:
    """Return seconds as people say them: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def human_age(seconds: float) -> str:
    """Return how long ago something was, in its largest unit: `just now`, `5 min ago`, `2 days ago`, `in 3 h`."""
    past = abs(seconds)
    for unit, length in _AGES:
        if past >= length:
            number = int(past // length)
            amount = f"{number} {unit}" if unit in {"h", "min"} else count(number, unit)
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return "just now"


def human_time(moment: datetime, now: datetime) -> str:
    """Return a moment as people read it, and how long ago it was: `2026-01-02 03:04 UTC (5 min ago)`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({human_age((now - moment).total_seconds())})"


def printable(text: str) -> str:
    """Return what others wrote so that it cannot move the cursor, colour the rest or turn it round; lines stay."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def one_line(text: str, most: int = 72) -> str:
    """Return the first line of what others wrote, shortened to `most` characters."""
    first = printable(text.strip().partition("\n")[0].rstrip())
    return first if len(first) <= most else first[: most - 1] + "…"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 package`, `2 packages`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def columns(
    header: Sequence[str], rows: Iterable[Sequence[str]], look: Style, *, right: frozenset[int] = frozenset()
) -> str:
    """Return rows under a header, aligned; columns whose numbers are in `right` are aligned to the right."""
    table = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    line = _GUTTER.join(f"{{:{'>' if index in right else '<'}{width}}}" for index, width in enumerate(widths))
    first, *others = [line.format(*row).rstrip() for row in table]
    return "\n".join([look.strong(first), *others])


def indented(text: str, by: int) -> str:
    """Return `text` with every line but the first indented by `by` spaces."""
    return ("\n" + " " * by).join(text.splitlines())
