"""The lines of a Dockerfile as instructions: comments, continued lines, here-documents, the escape directive. Pure.

Any text gives instructions; what is no instruction has a keyword that nobody knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

__all__ = ["Instruction", "as_list", "read_instructions"]

_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*")
_HEREDOC = re.compile(r"(?<!<)<<(?P<strip>-?)(?P<quote>[\"']?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)")
_WITH_HEREDOCS = {"RUN", "COPY", "ADD"}
_FLAG = re.compile(r"--(?P<name>[a-z][a-z-]*)(?:=(?P<value>\S*))?(?:\s+|$)")


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction.

    Attributes:
        line: Where it begins, from 1.
        keyword: In capitals.
        flags: What begins with `--`, as names and values.
        text: The rest, continued lines joined.
        documents: The here-documents that follow it.
        escape: The character that escapes and continues lines.

    """

    line: int
    keyword: str
    flags: tuple[tuple[str, str], ...]
    text: str
    documents: tuple[str, ...] = ()
    escape: str = "\\"

    def __str__(self) -> str:
        return f"{self.keyword} {self.text}".strip()

    def values(self, flag: str) -> list[str]:
        """Return the values of a flag, which may be there more than once."""
        return [value for name, value in self.flags if name == flag]


def read_instructions(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    return list(_Reader(lines).instructions())


def as_list(text: str) -> list[str] | None:
    """Return the words of the JSON form `["a", "b"]`, None for what is not one."""
    if not text.lstrip().startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.escape = self._directives().get("escape", "\\")

    def _directives(self) -> dict[str, str]:
        """Return the parser directives, which are the comments above everything else."""
        found: dict[str, str] = {}
        for line in self.lines:
            match = _DIRECTIVE.fullmatch(line)
            if match is None:
                break
            found.setdefault(match[1].lower(), match[2])
        return {name: value for name, value in found.items() if name != "escape" or value in {"\\", "`"}}

    def instructions(self) -> Iterator[Instruction]:
        while self.at < len(self.lines):
            start = self.at
            whole = self._logical_line()
            if whole.strip():
                yield self._instruction(whole.strip(), start + 1)

    def _logical_line(self) -> str:
        """Return the line here with those that continue it; comments and empty lines between them do not end it."""
        parts: list[str] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if line.lstrip().startswith("#") or (parts and not line.strip()):
                if parts:
                    continue
                return ""
            stripped = line.rstrip()
            if not stripped.endswith(self.escape):
                parts.append(line)
                break
            parts.append(stripped.removesuffix(self.escape))
        return "".join(parts)

    def _instruction(self, whole: str, line: int) -> Instruction:
        words = whole.split(None, 1)
        keyword, rest = words[0].upper(), words[1] if len(words) > 1 else ""
        flags: list[tuple[str, str]] = []
        while match := _FLAG.match(rest):
            flags.append((match["name"], match["value"] or ""))
            rest = rest[match.end() :]
        documents = tuple(self._documents(rest)) if keyword in _WITH_HEREDOCS else ()
        return Instruction(
            line=line, keyword=keyword, flags=tuple(flags), text=rest, documents=documents, escape=self.escape
        )

    def _documents(self, text: str) -> Iterator[str]:
        for match in _HEREDOC.finditer(text):
            end = self._end_of(match["name"], strip=bool(match["strip"]))
            if end is None:
                return
            body = self.lines[self.at : end]
            yield "\n".join(line.lstrip("\t") for line in body) if match["strip"] else "\n".join(body)
            self.at = end + 1

    def _end_of(self, name: str, *, strip: bool) -> int | None:
        candidates = range(self.at, len(self.lines))
        return next((i for i in candidates if (self.lines[i].lstrip("\t") if strip else self.lines[i]) == name), None)
