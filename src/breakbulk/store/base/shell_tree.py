"""A shell script as values: what `shell_syntax` gives and `shell_evaluation` walks.

Covers the POSIX shell grammar (IEEE 1003.1, Shell Command Language, 2.10) as far as Debian's maintainer scripts use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Arithmetic",
    "Case",
    "Chain",
    "Command",
    "For",
    "Function",
    "Group",
    "If",
    "Node",
    "Parameter",
    "Part",
    "Pipeline",
    "Redirect",
    "Script",
    "Substitution",
    "Text",
    "While",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Text:
    """Literal characters; quoted ones are neither split nor matched as patterns."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name` or `${name<operator>word}`; `#name` has the operator `length`."""

    name: str
    operator: str
    word: Word
    quoted: bool


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(...)` or backquotes: the output of a script."""

    script: Script
    quoted: bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((...))`."""

    expression: Word
    quoted: bool


Part = Text | Parameter | Substitution | Arithmetic
Word = tuple[Part, ...]


@dataclass(slots=True)
class Redirect:
    """`2>&1`, `> file`, or a here-document, whose operator is `<<` and whose text is `word`.

    Not frozen, as the text of a here-document is only known when its line has ended.
    """

    descriptor: int | None
    operator: str
    word: Word


@dataclass(frozen=True, slots=True)
class Command:
    """Assignments, a program and its arguments."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`, perhaps with `!` in front."""

    commands: tuple[Node, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """Pipelines joined by `&&` and `||`, each with the operator before it (the first with `&&`)."""

    links: tuple[tuple[Literal["&&", "||"], Node], ...]


@dataclass(frozen=True, slots=True)
class If:
    """Conditions with their bodies, and what happens otherwise."""

    branches: tuple[tuple[Script, Script], ...]
    otherwise: Script


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words`; without words, over the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Script


@dataclass(frozen=True, slots=True)
class While:
    """`while` and `until`."""

    condition: Script
    body: Script


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in patterns) body ;; esac`."""

    word: Word
    clauses: tuple[tuple[tuple[Word, ...], Script], ...]


@dataclass(frozen=True, slots=True)
class Function:
    """`name() body`."""

    name: str
    body: Node


@dataclass(frozen=True, slots=True)
class Group:
    """`{ ...; }` or `( ... )`; the latter keeps its variables to itself."""

    body: Script
    subshell: bool
    redirects: tuple[Redirect, ...] = ()


Node = Command | Pipeline | Chain | If | For | While | Case | Function | Group
Script = tuple[Node, ...]
