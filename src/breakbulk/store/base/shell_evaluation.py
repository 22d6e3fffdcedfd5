"""Walk a maintainer script without running it, and tell the world every program it would have called.

Conditions on arguments, variables and the packages' files are decided; where the answer needs a run, every branch is
walked and its invocations are marked uncertain. So the outcome errs towards too much, never by executing anything.
Bounded by `STEPS_LIMIT` commands, `CALLS_LIMIT` nested functions and `DEPTH_LIMIT`. Counterparts: `shell_syntax` reads
the script, `replay` is the world.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from breakbulk.store.base import shell_tree as tree
from breakbulk.store.base.shell_conditions import compare_versions, condition, negation
from breakbulk.store.base.shell_expansion import Expander, pattern_of
from breakbulk.store.base.shell_outputs import find_program, printed
from breakbulk.store.base.shell_state import UNKNOWN, Invocation, Outcome, State, is_known
from breakbulk.store.base.shell_syntax import ShellSyntaxError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CALLS_LIMIT", "DEPTH_LIMIT", "STEPS_LIMIT", "evaluate"]

STEPS_LIMIT = 20_000
CALLS_LIMIT = 20
DEPTH_LIMIT = 100  # of nested commands, well within Python's own limit


class _Jump(Exception):  # noqa: N818 - control flow, not an error
    """`exit`, `return`, `break`, `continue`."""


class _Exit(_Jump):
    pass


class _Return(_Jump):
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class _LeaveLoop(_Jump):
    pass


class _NextRound(_Jump):
    pass


def evaluate(script: tree.Script, state: State) -> None:
    """Walk a script to its end; what it would have called is told to `state.world`."""
    try:
        _Walk(state).script(script)
    except _Jump:
        return


class _Walk:
    """One walk: the state, how many unknown conditions it depends on, and what is left of the bounds."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._expand = Expander(state, self)
        self._doubts = 0
        self._steps = 0
        self._depth = 0
        self._calls = 0

    def output(self, script: tree.Script) -> str:
        """Return what a command substitution prints."""
        if len(script) == 1 and isinstance(script[0], tree.Command):
            words = self._expand.fields(script[0].words)
            return printed(words, self._state)
        return UNKNOWN

    @contextmanager
    def _doubt(self, doubtful: bool = True) -> Iterator[None]:
        """Walk what may not happen: a jump within ends only this branch."""
        if not doubtful:
            yield
            return
        self._doubts += 1
        try:
            yield
        except _Jump:
            pass
        finally:
            self._doubts -= 1

    def script(self, script: tree.Script) -> Outcome:
        outcome: Outcome = True
        for node in script:
            outcome = self._node(node)
        return outcome

    def _node(self, node: tree.Node) -> Outcome:
        self._steps += 1
        if self._steps > STEPS_LIMIT or self._depth > DEPTH_LIMIT:
            raise _Exit
        self._depth += 1
        try:
            return self._walked(node)
        finally:
            self._depth -= 1

    def _walked(self, node: tree.Node) -> Outcome:
        match node:
            case tree.Command():
                return self._command(node)
            case tree.Pipeline():
                return self._pipeline(node)
            case tree.Chain():
                return self._chain(node)
            case tree.If():
                return self._condition(node)
            case tree.For():
                return self._iteration(node)
            case tree.While():
                return self._loop(node)
            case tree.Case():
                return self._selection(node)
            case tree.Function():
                self._state.functions[node.name] = node.body
                return True
            case tree.Group():
                return self._group(node)

    def _pipeline(self, node: tree.Pipeline) -> Outcome:
        outcome: Outcome = None
        for command in node.commands:
            outcome = self._node(command)
        return negation(outcome) if node.negated else outcome

    def _chain(self, node: tree.Chain) -> Outcome:
        outcome: Outcome = True
        for operator, link in node.links:
            wanted = operator == "&&"
            if outcome is None:
                with self._doubt():
                    self._node(link)
            elif outcome is wanted:
                outcome = self._node(link)
        return outcome

    def _condition(self, node: tree.If) -> Outcome:
        doubtful = False
        for question, body in node.branches:
            with self._doubt(doubtful):
                outcome = self.script(question)
                if outcome is True:
                    self.script(body)
                    return None
                if outcome is None:
                    doubtful = True
                    with self._doubt():
                        self.script(body)
        with self._doubt(doubtful):
            self.script(node.otherwise)
        return None

    def _iteration(self, node: tree.For) -> Outcome:
        values = self._state.positional if node.words is None else self._expand.fields(node.words)
        for value in values:
            self._state.variables[node.name] = value
            try:
                with self._doubt(not is_known(value)):
                    self.script(node.body)
            except _LeaveLoop:
                break
            except _NextRound:
                continue
        return None

    def _loop(self, node: tree.While) -> Outcome:
        with self._doubt():
            if self.script(node.condition) is not False:
                self.script(node.body)
        return None

    def _selection(self, node: tree.Case) -> Outcome:
        word = self._expand.text(node.word)
        for patterns, body in node.clauses:
            texts = [self._expand.pattern(pattern) for pattern in patterns]
            if not is_known(word, *texts):
                with self._doubt():
                    self.script(body)
            elif any(pattern_of(text).fullmatch(word) for text in texts):
                return self.script(body)
        return None

    def _group(self, node: tree.Group) -> Outcome:
        if not node.subshell:
            return self.script(node.body)
        kept = dict(self._state.variables)
        try:
            return self.script(node.body)
        except _Exit:
            return None
        finally:
            self._state.variables.clear()
            self._state.variables.update(kept)

    def _command(self, node: tree.Command) -> Outcome:
        for name, word in node.assignments:
            self._state.variables[name] = self._expand.text(word)
        words = self._expand.fields(node.words)
        if words and words[0] in self._state.functions:
            return self._call(words)
        if words and words[0] == "command" and words[1:2] != ["-v"]:
            words = words[1:]
        invocation = self._invocation(words, node.redirects)
        if not words and invocation.output is None:
            return True
        outcome = self._builtin(words)
        if invocation.output is not None or outcome is _NOT_BUILTIN:
            told = self._state.world.execute(invocation)
            outcome = told if outcome is _NOT_BUILTIN else outcome
        return outcome if isinstance(outcome, bool) else None

    def _invocation(self, words: list[str], redirects: tuple[tree.Redirect, ...]) -> Invocation:
        text, output, appends = "", None, False
        for redirect in redirects:
            value = self._expand.text(redirect.word)
            if redirect.operator == "<<":
                text = value
            elif redirect.operator in (">", ">>", ">|") and redirect.descriptor in (None, 1):
                output, appends = value, redirect.operator == ">>"
        output = None if output == "/dev/null" else output
        return Invocation(tuple(words), certain=not self._doubts, text=text, output=output, appends=appends)

    def _call(self, words: list[str]) -> Outcome:
        if self._calls >= CALLS_LIMIT:
            return None
        kept, self._state.positional = self._state.positional, tuple(words[1:])
        self._calls += 1
        try:
            return self._node(self._state.functions[words[0]])
        except _Return as jump:
            return jump.outcome
        finally:
            self._state.positional = kept
            self._calls -= 1

    def _builtin(self, words: list[str]) -> Outcome | object:
        """Do what the shell itself or a program that only answers would do."""
        world = self._state.world
        match words:
            case [] | [":" | "true" | "trap" | "umask" | "cd" | "wait", *_]:
                return True
            case ["false"]:
                return False
            case ["[" | "test" | "[[" as program, *arguments]:
                closing = {"[": ["]"], "[[": ["]]"]}.get(program, [])
                arguments = arguments[:-1] if closing and arguments[-1:] == closing else arguments
                return condition(arguments, world, patterns=program == "[[")
            case ["exit", *_]:
                raise _Exit
            case ["return", *code]:
                raise _Return(not code or code == ["0"] if is_known(*code) else None)
            case ["break", *_]:
                raise _LeaveLoop
            case ["continue", *_]:
                raise _NextRound
            case ["dpkg", "--compare-versions", left, operator, right]:
                return compare_versions(left, operator, right)
            case ["command", "-v", name, *_] | ["which" | "type" | "hash", name]:
                return find_program(name, world) is not None if is_known(name) else None
            case [("." | "source"), path, *_]:
                return self._source(path)
            case _:
                return self._variables(words)

    def _variables(self, words: list[str]) -> Outcome | object:
        state = self._state
        match words:
            case ["export" | "local" | "readonly" | "declare" | "typeset", *assignments]:
                for assignment in assignments:
                    name, given, value = assignment.partition("=")
                    if given:
                        state.variables[name] = value
            case ["unset", *names]:
                for name in names:
                    state.variables.pop(name, None)
            case ["shift", *_]:
                state.positional = state.positional[1:]
            case ["set", "--", *values]:
                state.positional = tuple(values)
            case ["set", *_]:
                pass
            case ["read", *names]:
                state.variables.update(dict.fromkeys(names, UNKNOWN))
                return None
            case ["db_get", question]:
                state.variables["RET"] = state.templates.get(question, UNKNOWN)
            case _:
                return _NOT_BUILTIN
        return True

    def _source(self, path: str) -> Outcome:
        """Walk a script that is read into this one; debconf's would replace the process and is only an interface."""
        text = None if path.endswith("/confmodule") or not is_known(path) else self._state.world.text(path)
        if text is None or self._calls >= CALLS_LIMIT:
            return None
        try:
            script = parse(text)
        except ShellSyntaxError:
            return None
        self._calls += 1
        try:
            self.script(script)
        except _Return:
            pass
        finally:
            self._calls -= 1
        return None


_NOT_BUILTIN = object()
