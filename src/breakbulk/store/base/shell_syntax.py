"""Read a maintainer script into a tree, without running anything.

Maintainer scripts do not run (Debian policy, section 6, describes them), yet what they would have done is needed:
which users they create, which alternatives they register. Counterpart of `shell_evaluation`, which walks the tree. The
grammar is that of IEEE 1003.1, Shell Command Language, 2.10; `[[` is read as a command. What is not understood
raises `ShellSyntaxError`; the caller decides to do without the script.
"""

from __future__ import annotations

import re
from typing import Literal

from breakbulk.store.base import shell_tree as tree
from breakbulk.store.base.shell_words import ShellSyntaxError, WordReader

__all__ = ["ShellSyntaxError", "parse"]

_RESERVED = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}"})
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
_FUNCTION = re.compile(r"([^\s;&|<>()\"'$`\\=]+)[ \t]*\([ \t]*\)")
_REDIRECTION = re.compile(r"(\d*)(<<-|<<<|<<|>>|<&|>&|<>|>\||&>|[<>](?!\())")
_DEPTH_LIMIT = 60


def parse(text: str) -> tree.Script:
    """Return the tree of a script; raise `ShellSyntaxError` when it cannot be read."""
    reader = _ScriptReader(text)
    script = reader.script()
    if reader.position < len(text):
        raise reader.error("unexpected word")
    return script


class _ScriptReader(WordReader):
    """A recursive descent over one script."""

    def __init__(self, text: str, depth: int = 0) -> None:
        super().__init__(text)
        self.depth = depth
        self.heredocs: list[tuple[tree.Redirect, str, bool, bool]] = []

    def nested(self, text: str) -> _ScriptReader:
        return _ScriptReader(text, self.depth)

    def take(self, *expected: str) -> str | None:
        """Consume the operator at the position if it is one of `expected`."""
        found = self.operator()
        if found is None or found not in expected:
            return None
        self.position += len(found)
        if found == "\n":
            self._read_heredocs()
        return found

    def take_word(self, *expected: str) -> str | None:
        """Consume the bare word at the position if it is one of `expected`."""
        found = self.bare_word()
        if found is None or found not in expected:
            return None
        self.position += len(found)
        return found

    def newlines(self) -> None:
        while self.take("\n"):
            pass

    def expect(self, operator: str) -> None:
        if not self.take(operator):
            raise self.error(f"expected `{operator}`")

    def expect_word(self, word: str) -> None:
        self.newlines()
        if not self.take_word(word):
            raise self.error(f"expected `{word}`")

    def name(self) -> str:
        found = self.bare_word()
        if found is None:
            raise self.error("expected a name")
        self.position += len(found)
        return found

    def script(self, closers: frozenset[str] = frozenset()) -> tree.Script:
        self.depth += 1
        if self.depth > _DEPTH_LIMIT:
            raise self.error("nested too deeply")
        nodes: list[tree.Node] = []
        while True:
            while self.take(";", "&", "\n"):
                pass
            closing = self.bare_word() in closers or self.operator() in (")", ";;", ";&", ";;&")
            if closing or self.position >= len(self.text):
                break
            nodes.append(self.chain())
        self.depth -= 1
        return tuple(nodes)

    def chain(self) -> tree.Node:
        links: list[tuple[Literal["&&", "||"], tree.Node]] = [("&&", self.pipeline())]
        while found := self.take("&&", "||"):
            self.newlines()
            links.append(("&&" if found == "&&" else "||", self.pipeline()))
        return links[0][1] if len(links) == 1 else tree.Chain(tuple(links))

    def pipeline(self) -> tree.Node:
        negated = False
        while self.take_word("!"):
            negated = not negated
        commands = [self.command()]
        while self.take("|"):
            self.newlines()
            commands.append(self.command())
        return commands[0] if len(commands) == 1 and not negated else tree.Pipeline(tuple(commands), negated)

    def command(self) -> tree.Node:
        compound = self.compound()
        if compound is None:
            return self.function_or_simple()
        redirects: list[tree.Redirect] = []
        while self.redirect(redirects):
            pass
        return tree.Group((compound,), subshell=False, redirects=tuple(redirects)) if redirects else compound

    def compound(self) -> tree.Node | None:
        if self.take("("):
            body = self.script()
            self.expect(")")
            return tree.Group(body, subshell=True)
        match self.take_word("{", "if", "for", "while", "until", "case", "function"):
            case "{":
                body = self.script(frozenset({"}"}))
                self.expect_word("}")
                return tree.Group(body, subshell=False)
            case "if":
                return self.condition()
            case "for":
                return self.iteration()
            case "while" | "until":
                return tree.While(self.script(frozenset({"do"})), self.loop_body())
            case "case":
                return self.selection()
            case "function":
                return self.function(self.name())
            case _:
                return None

    def condition(self) -> tree.If:
        branches = []
        otherwise: tree.Script = ()
        while True:
            test = self.script(frozenset({"then"}))
            self.expect_word("then")
            branches.append((test, self.script(_RESERVED)))
            if self.take_word("elif"):
                continue
            if self.take_word("else"):
                otherwise = self.script(_RESERVED)
            self.expect_word("fi")
            return tree.If(tuple(branches), otherwise)

    def loop_body(self) -> tree.Script:
        self.expect_word("do")
        body = self.script(_RESERVED)
        self.expect_word("done")
        return body

    def iteration(self) -> tree.For:
        name = self.name()
        self.newlines()
        words: list[tree.Word] | None = None
        if self.take_word("in"):
            words = []
            while word := self.word():
                words.append(word)
        self.take(";")
        return tree.For(name, None if words is None else tuple(words), self.loop_body())

    def selection(self) -> tree.Case:
        word = self.word() or ()
        self.expect_word("in")
        clauses: list[tuple[tuple[tree.Word, ...], tree.Script]] = []
        while True:
            self.newlines()
            if self.take_word("esac"):
                return tree.Case(word, tuple(clauses))
            self.take("(")
            patterns = [self.word() or ()]
            while self.take("|"):
                patterns.append(self.word() or ())
            self.expect(")")
            clauses.append((tuple(patterns), self.script(frozenset({"esac"}))))
            self.take(";;", ";&", ";;&")

    def function(self, name: str) -> tree.Function:
        if self.take("("):
            self.expect(")")
        self.newlines()
        return tree.Function(name, self.command())

    def function_or_simple(self) -> tree.Node:
        self.blanks()
        if match := _FUNCTION.match(self.text, self.position):
            self.position += len(match.group(1))
            return self.function(match.group(1))
        if (word := self.bare_word()) in _RESERVED:
            raise self.error(f"unexpected `{word}`")
        return self.simple()

    def simple(self) -> tree.Command:
        assignments: list[tuple[str, tree.Word]] = []
        words: list[tree.Word] = []
        redirects: list[tree.Redirect] = []
        while True:
            if self.redirect(redirects):
                continue
            match = None if words else _ASSIGNMENT.match(self.text, self.position)
            if match:
                self.position = match.end()
                assignments.append((match.group(1), self.adjacent_word() or ()))
            elif word := self.word():
                words.append(word)
            else:
                break
        if not (assignments or words or redirects):
            raise self.error("expected a command")
        return tree.Command(tuple(assignments), tuple(words), tuple(redirects))

    def redirect(self, into: list[tree.Redirect]) -> bool:
        """Read a redirection, if there is one, into the list."""
        self.blanks()
        match = _REDIRECTION.match(self.text, self.position)
        if not match:
            return False
        self.position = match.end()
        self.blanks()
        start = self.position
        found = tree.Redirect(int(match.group(1)) if match.group(1) else None, match.group(2), self.word() or ())
        if match.group(2) in ("<<", "<<-"):
            raw = self.text[start : self.position]
            delimiter = re.sub(r"[\"'\\]", "", raw)
            self.heredocs.append((found, delimiter, match.group(2) == "<<-", raw == delimiter))
            found.operator, found.word = "<<", ()
        into.append(found)
        return True

    def _read_heredocs(self) -> None:
        """Read the here-documents that belong to the line that has just ended."""
        pending, self.heredocs = self.heredocs, []
        for redirect, delimiter, strip_tabs, expands in pending:
            body = self._heredoc(delimiter, strip_tabs=strip_tabs)
            redirect.word = self.nested(body).quoted(None) if expands else (tree.Text(body, quoted=True),)

    def _heredoc(self, delimiter: str, *, strip_tabs: bool) -> str:
        lines: list[str] = []
        while self.position < len(self.text):
            end = self.text.find("\n", self.position)
            end = len(self.text) if end < 0 else end
            line = self.text[self.position : end]
            self.position = min(end + 1, len(self.text))
            line = line.lstrip("\t") if strip_tabs else line
            if line == delimiter:
                return "".join(f"{each}\n" for each in lines)
            lines.append(line)
        raise self.error(f"here-document without its end `{delimiter}`")
