"""Control paragraphs (deb822(5)) read fast enough for an index of 60,000 of them.

`python-debian` reads paragraphs faithfully but takes half a minute for a large index. Release files, apt's sources and
indices need only names, values and continuation lines, which this module gives; text never leaves as anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["joined", "paragraphs", "parse_paragraph"]

_FIELD = re.compile(r"^([!-9;-~][!-9;-~]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of `text`, comments left in."""
    for paragraph in _BLANK_LINES.split(text.strip("\n")):
        if paragraph.strip():
            yield paragraph


def parse_paragraph(paragraph: str) -> dict[str, str]:
    """Return the fields by lower-case name; values keep the line ends of their continuation lines."""
    return {name.lower(): value.rstrip() for name, value in _FIELD.findall(paragraph)}


def joined(value: str) -> str:
    """Return a folded value on one line."""
    return " ".join(value.split())
