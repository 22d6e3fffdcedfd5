"""The lexical half of reading a shell script: blanks, operators, words with their quotes and expansions.

Counterpart of `shell_syntax`, whose reader builds commands from these. IEEE 1003.1, Shell Command Language, 2.2 to 2.6.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from breakbulk.store.base import shell_tree as tree

__all__ = ["ShellSyntaxError", "WordReader"]

_OPERATOR = re.compile(r"&&|\|\||;;&?|;&|&>|[&|;()\n]")
_BARE = re.compile(r"[^\s;&|<>()\"'$`\\]+")
_PLAIN = re.compile(r"[^\s;&|<>()\"'$`\\]+")
_QUOTED_PLAIN = re.compile(r"[^\"$`\\]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*#?$!-]")
_BRACED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^]]*\])?|[0-9]+|[@*#?$!-]")
_BRACED_OPERATOR = re.compile(r":[-+=?]|[-+=?]|##?|%%?|//?|:|\^\^?|,,?|@")


class ShellSyntaxError(ValueError):
    """The text is not a shell script as this module reads it; the message holds the line."""


class WordReader(ABC):
    """Reads words from `text` at `position`, onwards."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    @abstractmethod
    def script(self, closers: frozenset[str] = frozenset()) -> tree.Script:
        """Read commands until a closing parenthesis or one of the closing words, which stays."""

    @abstractmethod
    def nested(self, text: str) -> WordReader:
        """Return a reader of the same kind for a text within this one."""

    def error(self, message: str) -> ShellSyntaxError:
        """Return an error that names the line."""
        return ShellSyntaxError(f"line {self.text.count(chr(10), 0, self.position) + 1}: {message}")

    def blanks(self) -> None:
        """Skip blanks, comments and continued lines, but not newlines."""
        text = self.text
        while self.position < len(text):
            if text[self.position] in " \t\r":
                self.position += 1
            elif text.startswith("\\\n", self.position):
                self.position += 2
            elif text[self.position] == "#":
                end = text.find("\n", self.position)
                self.position = len(text) if end < 0 else end
            else:
                return

    def operator(self) -> str | None:
        """Return the control operator at the position, which stays."""
        self.blanks()
        match = _OPERATOR.match(self.text, self.position)
        return match.group() if match else None

    def bare_word(self) -> str | None:
        """Return the word without quotes and expansions at the position, which stays: a keyword or a name."""
        self.blanks()
        match = _BARE.match(self.text, self.position)
        if not match:
            return None
        following = self.text[match.end() : match.end() + 1]
        return None if following and following in "\"'$`\\" else match.group()

    def word(self) -> tree.Word | None:
        """Read one word; None where an operator, a redirection or the end is."""
        self.blanks()
        return self.adjacent_word()

    def adjacent_word(self) -> tree.Word | None:
        """Read one word that starts right here, as behind the `=` of an assignment."""
        parts: list[tree.Part] = []
        while self.position < len(self.text):
            match = _PLAIN.match(self.text, self.position)
            if match:
                self.position = match.end()
                parts.append(tree.Text(match.group(), quoted=False))
            elif not self._special(parts):
                break
        return tuple(parts) or None

    def _special(self, parts: list[tree.Part]) -> bool:
        """Read what is not a plain character of an unquoted word; return whether the word goes on."""
        character = self.text[self.position]
        if character == "'":
            parts.append(tree.Text(self._until("'"), quoted=True))
        elif character == '"':
            self.position += 1
            parts.extend(self.quoted('"') or (tree.Text("", quoted=True),))
        elif character == "\\":
            escaped = self.text[self.position + 1 : self.position + 2]
            self.position += 2
            if escaped != "\n":
                parts.append(tree.Text(escaped, quoted=True))
        elif character in "$`":
            parts.append(self._expansion(quoted=False))
        else:
            return False
        return True

    def _until(self, closing: str) -> str:
        end = self.text.find(closing, self.position + 1)
        if end < 0:
            raise self.error(f"no closing {closing}")
        text = self.text[self.position + 1 : end]
        self.position = end + 1
        return text

    def quoted(self, closing: str | None) -> tree.Word:
        """Read the inside of double quotes, or, without `closing`, a here-document, which ends with the text."""
        parts: list[tree.Part] = []
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == closing:
                self.position += 1
                return tuple(parts)
            if match := _QUOTED_PLAIN.match(self.text, self.position):
                self.position = match.end()
                parts.append(tree.Text(match.group(), quoted=True))
            elif character == "\\":
                parts.append(tree.Text(self._escape(), quoted=True))
            elif character == '"':
                self.position += 1
                parts.append(tree.Text('"', quoted=True))
            else:
                parts.append(self._expansion(quoted=True))
        if closing:
            raise self.error(f"no closing {closing}")
        return tuple(parts)

    def _escape(self) -> str:
        """Return what a backslash within double quotes gives: it only escapes four characters and the newline."""
        escaped = self.text[self.position + 1 : self.position + 2]
        self.position += 2
        if escaped == "\n":
            return ""
        return escaped if escaped in ("$", "`", '"', "\\") else f"\\{escaped}"

    def _expansion(self, *, quoted: bool) -> tree.Part:
        text = self.text
        if text[self.position] == "`":
            return self._backquotes(quoted=quoted)
        if text.startswith("$((", self.position):
            return self._arithmetic(quoted=quoted)
        if text.startswith("$(", self.position):
            self.position += 2
            script = self.script()
            self._close(")")
            return tree.Substitution(script, quoted=quoted)
        if text.startswith("${", self.position):
            self.position += 2
            return self._braced(quoted=quoted)
        if match := _NAME.match(text, self.position + 1):
            self.position = match.end()
            return tree.Parameter(match.group(), "", (), quoted=quoted)
        self.position += 1
        return tree.Text("$", quoted=True)

    def _close(self, closing: str) -> None:
        self.blanks()
        if not self.text.startswith(closing, self.position):
            raise self.error(f"expected `{closing}`")
        self.position += len(closing)

    def _backquotes(self, *, quoted: bool) -> tree.Part:
        match = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL).match(self.text, self.position)
        if not match:
            raise self.error("no closing `")
        self.position = match.end()
        inner = self.nested(re.sub(r"\\([$`\\])", r"\1", match.group(1)))
        return tree.Substitution(inner.script(), quoted=quoted)

    def _arithmetic(self, *, quoted: bool) -> tree.Part:
        start = self.position + 3
        end = start
        depth = 0
        while depth or not self.text.startswith("))", end):
            if end >= len(self.text):
                raise self.error("no closing ))")
            depth += {"(": 1, ")": -1}.get(self.text[end], 0)
            end += 1
        self.position = end + 2
        return tree.Arithmetic(self.nested(self.text[start:end]).quoted(None), quoted=quoted)

    def _braced(self, *, quoted: bool) -> tree.Part:
        """Read `${...}` behind its opening brace."""
        length = re.compile(r"#(?=[A-Za-z0-9_@*])").match(self.text, self.position)
        self.position = length.end() if length else self.position
        match = _BRACED_NAME.match(self.text, self.position)
        if not match:
            raise self.error("expected a parameter")
        self.position = match.end()
        operator = _BRACED_OPERATOR.match(self.text, self.position)
        self.position = operator.end() if operator else self.position
        word = self._braced_word(quoted=quoted)
        name = "length" if length else operator.group() if operator else ""
        return tree.Parameter(match.group(), name, word, quoted=quoted)

    def _braced_word(self, *, quoted: bool) -> tree.Word:
        """Read up to the closing brace; blanks belong to the word."""
        parts: list[tree.Part] = []
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "}":
                self.position += 1
                return tuple(parts)
            if character in '"\\$`' or (character == "'" and not quoted):
                self._special(parts)
            else:
                self.position += 1
                parts.append(tree.Text(character, quoted=quoted))
        raise self.error("no closing }")
