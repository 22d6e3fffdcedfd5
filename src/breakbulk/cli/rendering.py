"""Turn values into text for people: sizes, durations, tables, colours.

Pure functions of their arguments; the commands decide what to show, `invocation` where it goes. Tables are aligned by
hand, because importing rich takes longer than most commands run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from click import style

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["Style", "columns", "count", "human_duration", "human_size", "indented", "wants_colour"]

_STEP = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_GUTTER = "  "


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


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 package`, `2 packages`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def columns(
    header: Sequence[str], rows: Iterable[Sequence[str]], look: Style, *, right: frozenset[int] = frozenset()
) -> str:
    """Return rows under a header, aligned; columns whose numbers are in `right` are aligned to the right."""
    table = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(row[index]) for row in table) for index in range(len(header))]

    def aligned(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return _GUTTER.join(cells).rstrip()

    return "\n".join([look.strong(aligned(table[0])), *(aligned(row) for row in table[1:])])


def indented(text: str, by: int) -> str:
    """Return `text` with every line but the first indented by `by` spaces."""
    return ("\n" + " " * by).join(text.splitlines())
