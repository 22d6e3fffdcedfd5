"""What is known while a maintainer script is walked: variables, functions, and the world it asks.

Values that cannot be known without running the script hold the character `UNKNOWN`; outcomes that cannot be known are
None. Every consumer decides what to do with either; nothing is guessed here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from breakbulk.store.base import shell_tree as tree

__all__ = ["UNKNOWN", "Invocation", "Outcome", "State", "World", "is_known"]

UNKNOWN = "\0"
Outcome = bool | None
"""Whether a command succeeds; None when nobody knows."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A program that a script would have called.

    Attributes:
        words: The program's name and its arguments.
        certain: False when it depends on a condition that cannot be known.
        text: What it reads from a here-document, or "".
        output: The file its standard output goes to, or None.
        appends: Whether that file is appended to.

    """

    words: tuple[str, ...]
    certain: bool = True
    text: str = ""
    output: str | None = None
    appends: bool = False


class World(Protocol):
    """What a script can ask of the system it is installed on, and whom it tells to change it."""

    def kind(self, path: str, *, follow: bool = True) -> Literal["file", "link", "directory"] | None:
        """Return what is at an absolute path, None when nothing is."""

    def text(self, path: str) -> str | None:
        """Return the text of a file, None when there is none."""

    def matches(self, pattern: str) -> list[str]:
        """Return the absolute paths that match a pattern of fnmatch(3) with FNM_PATHNAME, sorted."""

    def execute(self, invocation: Invocation) -> Outcome:
        """Take note of a program that would have run; return whether it would have succeeded."""


@dataclass(slots=True)
class State:
    """The variables of one script, `positional` from `$1` on, its functions, debconf's defaults, mktemp's numbers."""

    variables: dict[str, str]
    positional: tuple[str, ...]
    world: World
    functions: dict[str, tree.Node] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    temporaries: Iterator[int] = field(default_factory=itertools.count)

    def value(self, name: str) -> str | None:
        """Return a parameter's value, None when it is unset."""
        if name.isdigit():
            index = int(name)
            return "postinst" if index == 0 else (self.positional[index - 1 : index] or (None,))[0]
        if name in ("@", "*"):
            return " ".join(self.positional) if self.positional else None
        if name == "#":
            return str(len(self.positional))
        if name in ("?", "$", "!"):
            return UNKNOWN
        return self.variables.get(name.partition("[")[0])


def is_known(*values: str) -> bool:
    """Return whether none of the values holds something unknown."""
    return not any(UNKNOWN in value for value in values)
