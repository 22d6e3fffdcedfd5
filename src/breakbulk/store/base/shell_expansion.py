"""Expand the words of a script: parameters, command substitution, arithmetic, field splitting, path names.

IEEE 1003.1, Shell Command Language, 2.6. What only a run could tell becomes `UNKNOWN`.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Protocol

from breakbulk.store.base import shell_tree as tree
from breakbulk.store.base.shell_state import UNKNOWN, State, is_known

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Expander", "Outputs", "pattern_of"]

_SPECIAL = re.compile(r"[*?\[]")
_ARITHMETIC = re.compile(r"\s*(-?\d+)\s*(?:([-+*])\s*(-?\d+)\s*)?")
_SPLITS = " \t\n"


class Outputs(Protocol):
    """Whoever knows what a script prints."""

    def output(self, script: tree.Script) -> str:
        """Return what the script prints, `UNKNOWN` when that cannot be told."""


class Expander:
    """Expands words in a state; `outputs` answers command substitutions."""

    def __init__(self, state: State, outputs: Outputs) -> None:
        self._state = state
        self._outputs = outputs

    def fields(self, words: Iterable[tree.Word]) -> list[str]:
        """Return the fields that words become as arguments."""
        return [name for word in words for field in self._split(word) for name in self._paths(field)]

    def text(self, word: tree.Word) -> str:
        """Return a word as one string, as in an assignment or a redirection."""
        return "".join(self._value(part) for part in word)

    def pattern(self, word: tree.Word) -> str:
        """Return a word as a pattern of fnmatch: quoted characters stand for themselves."""
        return "".join(_protected(self._value(part), quoted=part.quoted) for part in word)

    def _split(self, word: tree.Word) -> list[list[tuple[str, bool]]]:
        """Return the fields of a word, each a list of (text, quoted)."""
        fields: list[list[tuple[str, bool]]] = []
        fresh = True  # whether the next text starts a field
        for part in word:
            for index, (text, quoted) in enumerate(self._pieces(part)):
                if index or fresh:
                    fields.append([])
                fresh = False
                fields[-1].append((text, quoted))
            if self._ends_field(part):
                fresh = True
        return [field for field in fields if any(text or quoted for text, quoted in field)]

    def _ends_field(self, part: tree.Part) -> bool:
        if part.quoted or isinstance(part, tree.Text):
            return False
        return self._value(part)[-1:] in tuple(_SPLITS)

    def _pieces(self, part: tree.Part) -> list[tuple[str, bool]]:
        """Return what a part adds to the current field, and the fields it starts after that one."""
        if isinstance(part, tree.Parameter) and part.name == "@" and not part.operator:
            return [(value, part.quoted) for value in self._state.positional]
        value = self._value(part)
        if part.quoted or isinstance(part, tree.Text):
            return [(value, part.quoted)]
        lead = [("", False)] if value[:1] in tuple(_SPLITS) else []
        return [*lead, *((text, False) for text in value.split())]

    def _paths(self, field: list[tuple[str, bool]]) -> list[str]:
        literal = "".join(text for text, _ in field)
        if not any(_SPECIAL.search(text) for text, quoted in field if not quoted) or not literal.startswith("/"):
            return [literal]
        pattern = "".join(_protected(text, quoted=quoted) for text, quoted in field)
        return (self._state.world.matches(pattern) if is_known(literal) else []) or [literal]

    def _value(self, part: tree.Part) -> str:
        match part:
            case tree.Text(text=text):
                return text
            case tree.Parameter():
                return self._parameter(part)
            case tree.Substitution(script=script):
                return self._outputs.output(script).rstrip("\n")
            case tree.Arithmetic(expression=expression):
                return _arithmetic(self.text(expression), self._state)

    def _parameter(self, part: tree.Parameter) -> str:
        value = self._state.value(part.name)
        unset = value is None or (part.operator.startswith(":") and not value)
        match part.operator.lstrip(":") if part.operator != ":" else ":":
            case "":
                return value or ""
            case "-":
                return self.text(part.word) if unset else value or ""
            case "=":
                if unset:
                    self._state.variables[part.name] = self.text(part.word)
                return self._state.value(part.name) or ""
            case "+":
                return "" if unset else self.text(part.word)
            case "?":
                return value or ""
            case "length":
                return str(len(value or "")) if is_known(value or "") else UNKNOWN
            case "#" | "##" | "%" | "%%" as operator:
                return _trimmed(value or "", operator, self.pattern(part.word))
            case _:
                return UNKNOWN if value else ""


def pattern_of(pattern: str) -> re.Pattern[str]:
    """Return a shell pattern as a regular expression that matches whole strings."""
    return re.compile(fnmatch.translate(pattern))


def _protected(text: str, *, quoted: bool) -> str:
    return re.sub(r"([*?\[])", r"[\1]", text) if quoted else text


def _trimmed(value: str, operator: str, pattern: str) -> str:
    """Remove the shortest (or, doubled, the longest) prefix (#) or suffix (%) that matches."""
    if not is_known(value, pattern):
        return UNKNOWN
    matches = pattern_of(pattern).fullmatch
    cuts: Iterable[int] = range(len(value) + 1)
    if operator in ("##", "%"):
        cuts = reversed(range(len(value) + 1))
    if operator.startswith("#"):
        return next((value[cut:] for cut in cuts if matches(value[:cut])), value)
    return next((value[:cut] for cut in cuts if matches(value[cut:])), value)


def _arithmetic(expression: str, state: State) -> str:
    known = re.sub(r"[A-Za-z_]\w*", lambda name: state.value(name.group()) or "0", expression)
    match = _ARITHMETIC.fullmatch(known)
    if not match:
        return UNKNOWN
    left, operator, right = int(match.group(1)), match.group(2), int(match.group(3) or 0)
    return str({"+": left + right, "-": left - right, "*": left * right, None: left}[operator])
