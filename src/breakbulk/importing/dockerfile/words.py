"""Words of a Dockerfile: quotes, escapes and variables as its own parser has them, which is not quite a shell's. Pure.

A variable without a value becomes nothing, as there; `Words.missing` says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["Words", "pairs"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::?(?P<operator>[-+?#%/])(?P<word>[^{}]*))?\}")


class Words:
    """Reads texts with these values of variables.

    Attributes:
        missing: The variables without a value that were asked for.

    """

    def __init__(self, values: Mapping[str, str], escape: str = "\\") -> None:
        self._values = values
        self._escape = escape
        self.missing: set[str] = set()

    def split(self, text: str) -> list[str]:
        """Return the words of `text`, expanded, without their quotes."""
        return [self.expand(word) for word in self.raw(text)]

    def raw(self, text: str) -> list[str]:
        """Return the words of `text` as they are written."""
        words, start, at = [], 0, 0
        quote = ""
        while at < len(text):
            character = text[at]
            if character == self._escape and quote != "'":
                at += 1
            elif quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character.isspace():
                words.append(text[start:at])
                start = at + 1
            at += 1
        words.append(text[start:])
        return [word for word in words if word]

    def expand(self, text: str) -> str:
        """Return `text` without its quotes and with its variables replaced; blanks stay."""
        parts: list[str] = []
        at, quote = 0, ""
        while at < len(text):
            character = text[at]
            if character == self._escape and quote != "'" and at + 1 < len(text):
                kept = quote == '"' and text[at + 1] not in f'"${self._escape}'
                parts.append(text[at : at + 2] if kept else text[at + 1])
                at += 2
            elif character == quote or (not quote and character in "'\""):
                quote = "" if quote else character
                at += 1
            elif character == "$" and quote != "'":
                value, at = self._variable(text, at + 1)
                parts.append(value)
            else:
                parts.append(character)
                at += 1
        return "".join(parts)

    def _variable(self, text: str, at: int) -> tuple[str, int]:
        """Return the value of the variable whose name begins at `at`, and where the text goes on."""
        if match := _NAME.match(text, at):
            return self._value(match.group()), match.end()
        match = _BRACED.match(text, at)
        if match is None:
            return "$", at
        name, operator, word = match["name"], match["operator"], match["word"] or ""
        if operator == "-":
            return self._values.get(name) or self.expand(word), match.end()
        if operator == "+":
            return self.expand(word) if self._values.get(name) else "", match.end()
        return self._value(name), match.end()

    def _value(self, name: str) -> str:
        if name not in self._values:
            self.missing.add(name)
        return self._values.get(name, "")


def pairs(text: str, words: Words) -> dict[str, str]:
    """Return the variables that ENV or LABEL sets: `A=1 B="2 3"`, or in the older form `A 1 and more`."""
    raw = words.raw(text)
    if raw and "=" not in raw[0]:
        return {words.expand(raw[0]): words.expand(text.strip()[len(raw[0]) :].strip())}
    split = (word.partition("=") for word in raw)
    return {words.expand(name): words.expand(value) for name, equals, value in split if equals}
