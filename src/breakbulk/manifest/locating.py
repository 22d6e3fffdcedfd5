"""Find the place of every key in a TOML text.

TOML parsers give values, not places. This scanner walks a text that a parser has already accepted and notes for each
key path, tables and array elements included, the line on which it first appears, and for each header and pair where its
text begins and ends. It guarantees nothing for malformed text except that it ends. Counterparts: `reading`, which
parses first and asks here where a `Fault` is, and `editing`, which changes these pieces of text and no others.

Format: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from breakbulk.manifest.faults import KeyPath

__all__ = ["Lines", "Piece", "dissect", "locate"]

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""(?:"{0,2})|'''  # up to two quotes may stand before the closing three
    r"""'''.*?'''(?:'{0,2})|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


@dataclass(frozen=True)
class Piece:
    """A header `[a.b]`, a pair `a.b = value` on lines of its own, or a pair inside an inline table.

    `start` and `end` are offsets of its text, without blanks and comments around it; `value` is where the value begins.
    """

    kind: Literal["header", "pair", "inline"]
    path: KeyPath
    start: int
    value: int
    end: int


class Lines:
    """Lines, counted from 1, by key path."""

    def __init__(self, by_path: dict[KeyPath, int]) -> None:
        self._by_path = by_path

    def of(self, path: KeyPath) -> int:
        """Return the line of `path`, or of the nearest table around it; the first line when there is none."""
        for length in range(len(path), 0, -1):
            line = self._by_path.get(path[:length])
            if line is not None:
                return line
        return 1

    def __contains__(self, path: KeyPath) -> bool:
        return path in self._by_path


def locate(text: str) -> Lines:
    """Return the line of every key path in `text`, which must be valid TOML."""
    scanner = _Scanner(text)
    scanner.scan()
    return Lines(scanner.found)


def dissect(text: str) -> list[Piece]:
    """Return the headers and pairs of `text`, which must be valid TOML, in the order in which they end."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.pieces


class _Scanner:
    """One pass over a text; `at` is the offset of what comes next."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, int] = {}
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.pieces: list[Piece] = []
        self.last_index: dict[KeyPath, int] = {}

    def scan(self) -> None:
        table: KeyPath = ()
        while True:
            self.skip(_GAP)
            before = self.at
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table, "pair")
            if self.at == before:  # not TOML: end rather than turn for ever
                return

    def header(self) -> KeyPath:
        """Read `[a.b]` or `[[a.b]]`; return the path of the table it opens."""
        array = self.text.startswith("[[", self.at)
        line, start = self.line(), self.at
        self.at += 2 if array else 1
        path: KeyPath = ()
        keys = self.dotted_key()
        for position, key in enumerate(keys):
            path = (*path, key)
            self.note(path, line)
            if array and position == len(keys) - 1:
                self.last_index[path] = self.last_index.get(path, -1) + 1
            if path in self.last_index:
                path = (*path, self.last_index[path])
        self.note(path, line)
        closing = self.text.find("]", self.at)
        self.at = len(self.text) if closing < 0 else closing + (2 if array else 1)
        self.pieces.append(Piece("header", path, start, self.at, self.at))
        return path

    def pair(self, table: KeyPath, kind: Literal["pair", "inline"]) -> None:
        """Read `a.b = value`."""
        line, start = self.line(), self.at
        path = table
        for key in self.dotted_key():
            path = (*path, key)
            self.note(path, line)
        self.skip(_BLANK)
        if self.text.startswith("=", self.at):
            self.at += 1
            self.skip(_BLANK)
            value = self.at
            self.value(path)
            self.pieces.append(Piece(kind, path, start, value, value + len(self.text[value : self.at].rstrip())))

    def value(self, path: KeyPath) -> None:
        self.skip(_BLANK)
        if self.text.startswith("[", self.at):
            self.array(path)
        elif self.text.startswith("{", self.at):
            self.inline_table(path)
        else:
            self.skip(_STRING) or self.skip(_SCALAR)

    def array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self.more("]", index):
            self.note((*path, index), self.line())
            self.value((*path, index))
            index += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        count = 0
        while self.more("}", count):
            self.pair(path, "inline")
            count += 1

    def more(self, closing: str, count: int) -> bool:
        """Step over what separates elements, `count` of which are read; return whether another one follows."""
        self.skip(_GAP)
        separated = self.text.startswith(",", self.at)
        if separated:
            self.at += 1
            self.skip(_GAP)
        if self.text.startswith(closing, self.at):
            self.at += 1
            return False
        return self.at < len(self.text) and (separated or count == 0)

    def dotted_key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self.skip(_BLANK)
            match = _KEY.match(self.text, self.at)
            if match is None:
                return keys
            self.at = match.end()
            keys.append(_plain(match.group()))
            self.skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        if match is None:
            return False
        self.at = match.end()
        return True

    def line(self) -> int:
        return bisect_right(self.newlines, self.at - 1) + 1 if self.at else 1

    def note(self, path: KeyPath, line: int) -> None:
        self.found.setdefault(path, line)


def _plain(token: str) -> str:
    """Return a key without its quotes and escapes."""
    if token[0] in "\"'":
        return str(tomllib.loads(f"key = {token}")["key"])
    return token
