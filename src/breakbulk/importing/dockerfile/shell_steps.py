"""What a script of RUN calls, one program after the other, as far as that can be told without running it.

The script is read by the reader that the store has for maintainer scripts. A word that only running would tell is None;
a step that may not happen, as one within `if` or behind `||`, says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

import msgspec

from breakbulk.store.base import shell_tree as tree
from breakbulk.store.base.shell_syntax import ShellSyntaxError, parse

__all__ = ["ShellSyntaxError", "Step", "steps"]

_UNKNOWN = "…"


class Step(msgspec.Struct, frozen=True):
    """One program with its words; None is a word that is not known."""

    words: tuple[str | None, ...]
    certain: bool = True

    def __str__(self) -> str:
        return " ".join(_UNKNOWN if word is None else shlex.quote(word) for word in self.words)


def steps(script: str, values: Mapping[str, str]) -> Iterator[Step]:
    """Yield what `script` calls, with `values` as its environment; raise `ShellSyntaxError` if it cannot be read."""
    return _Walk(dict(values)).script(parse(script), certain=True)


class _Walk:
    def __init__(self, values: dict[str, str]) -> None:
        self.values: dict[str, str | None] = dict(values)

    def script(self, script: tree.Script, *, certain: bool) -> Iterator[Step]:
        for node in script:
            yield from self.node(node, certain=certain)

    def node(self, node: tree.Node, *, certain: bool) -> Iterator[Step]:
        match node:
            case tree.Command():
                yield from self.command(node, certain=certain)
            case tree.Pipeline(commands=nodes):
                for each in nodes:
                    yield from self.node(each, certain=certain and len(nodes) == 1)
            case tree.Chain(links=links):
                for operator, link in links:
                    yield from self.node(link, certain=certain and operator == "&&")
            case tree.Group(body=body):
                yield from self.script(body, certain=certain)
            case tree.If(branches=branches, otherwise=otherwise):
                for condition, body in branches:
                    yield from self.script(condition + body, certain=False)
                yield from self.script(otherwise, certain=False)
            case tree.For(name=name, body=body):
                self.values[name] = None
                yield from self.script(body, certain=False)
            case tree.While(condition=condition, body=body):
                yield from self.script(condition + body, certain=False)
            case tree.Case(clauses=clauses):
                for _, body in clauses:
                    yield from self.script(body, certain=False)
            case tree.Function(body=body):
                yield from self.node(body, certain=False)

    def command(self, command: tree.Command, *, certain: bool) -> Iterator[Step]:
        words = tuple(word for each in command.words for word in self.fields(each))
        for name, value in command.assignments:
            if not words or words[0] == "export":
                self.values[name] = self.text(value) if certain else None
        if words and words[0] == "export":
            self.exported(words[1:])
        elif words:
            yield Step(words, certain)

    def exported(self, words: tuple[str | None, ...]) -> None:
        for word in words:
            name, equals, value = (word or "").partition("=")
            if equals:
                self.values[name] = value

    def fields(self, word: tree.Word) -> list[str | None]:
        """Return the words that one becomes: what is looked up without quotes is split."""
        match word:
            case (tree.Parameter(quoted=False),):
                text = self.text(word)
                return [None] if text is None else list(text.split())
            case _:
                return [self.text(word)]

    def text(self, word: tree.Word) -> str | None:
        parts = [self.part(part) for part in word]
        return None if None in parts else "".join(part for part in parts if part is not None)

    def part(self, part: tree.Part) -> str | None:
        match part:
            case tree.Text(text=text):
                return text
            case tree.Parameter(name=name, operator="" | "-" | ":-" as operator, word=default):
                found = self.values.get(name)
                return found if found or not operator else self.text(default)
            case _:
                return None
