"""Answer test(1) without running it: strings, numbers, and what files the packages bring.

Three-valued: None where the answer depends on something unknown. Counterpart of `shell_evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakbulk.store.base.shell_expansion import pattern_of
from breakbulk.store.base.shell_state import Outcome, World, is_known

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["both", "compare_versions", "condition", "either", "negation"]

_FILE_TESTS = frozenset({"-e", "-f", "-d", "-x", "-r", "-w", "-s", "-L", "-h", "-O", "-G"})
_NEVER = frozenset({"-S", "-p", "-b", "-c", "-t", "-u", "-g", "-k"})
_BINARY = frozenset({"=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "<", ">", "=~"})
_MOUNTED = frozenset({"/proc", "/sys", "/dev"})


def negation(outcome: Outcome) -> Outcome:
    """Return the opposite; of the unknown, the unknown."""
    return None if outcome is None else not outcome


def both(left: Outcome, right: Outcome) -> Outcome:
    """Return the conjunction."""
    return False if left is False or right is False else None if left is None or right is None else True


def either(left: Outcome, right: Outcome) -> Outcome:
    """Return the disjunction."""
    return negation(both(negation(left), negation(right)))


def condition(arguments: Sequence[str], world: World, *, patterns: bool) -> Outcome:
    """Return what `test` says of its arguments; `patterns` is `[[`, where `=` matches a pattern."""
    reader = _Reader(list(arguments), world, patterns=patterns)
    outcome = reader.disjunction()
    return outcome if reader.done() else None


def compare_versions(left: str, operator: str, right: str) -> Outcome:
    """Return dpkg's --compare-versions where one side is the empty version of a first installation.

    An empty version is earlier than any other; for the operators with `-nl`, later (dpkg(1)).
    """
    if not is_known(left, right) or (left and right):
        return None
    order = (left != "") - (right != "")
    if operator.endswith("-nl"):
        order, operator = -order, operator.removesuffix("-nl")
    return {
        "lt": order < 0,
        "<<": order < 0,
        "le": order <= 0,
        "<=": order <= 0,
        "eq": order == 0,
        "=": order == 0,
        "ne": order != 0,
        "ge": order >= 0,
        ">=": order >= 0,
        "gt": order > 0,
        ">>": order > 0,
    }.get(operator)


class _Reader:
    """Reads an expression of test(1) from its words."""

    def __init__(self, words: list[str], world: World, *, patterns: bool) -> None:
        self._words = words
        self._world = world
        self._patterns = patterns

    def done(self) -> bool:
        return not self._words

    def disjunction(self) -> Outcome:
        outcome = self._conjunction()
        while self._words[:1] in (["-o"], ["||"]):
            self._words.pop(0)
            outcome = either(outcome, self._conjunction())
        return outcome

    def _conjunction(self) -> Outcome:
        outcome = self._primary()
        while self._words[:1] in (["-a"], ["&&"]):
            self._words.pop(0)
            outcome = both(outcome, self._primary())
        return outcome

    def _primary(self) -> Outcome:
        words = self._words
        if not words:
            return False
        if len(words) >= 3 and words[1] in _BINARY:
            left, operator, right = words.pop(0), words.pop(0), words.pop(0)
            return self._binary(left, operator, right)
        if words[0] == "!" and len(words) > 1:
            words.pop(0)
            return negation(self._primary())
        if words[0] == "(":
            words.pop(0)
            outcome = self.disjunction()
            if words[:1] == [")"]:
                words.pop(0)
            return outcome
        if len(words) >= 2 and words[0].startswith("-") and words[1] not in ("-a", "-o"):
            return self._unary(words.pop(0), words.pop(0))
        return _not_empty(words.pop(0))

    def _unary(self, operator: str, operand: str) -> Outcome:
        if operator == "-n":
            return _not_empty(operand)
        if operator == "-z":
            return negation(_not_empty(operand))
        if not is_known(operand):
            return None
        if operator in _NEVER:
            return False
        return self._file(operator, operand) if operator in _FILE_TESTS else None

    def _file(self, operator: str, path: str) -> Outcome:
        if path in _MOUNTED:
            return operator in ("-d", "-e")
        kind = self._world.kind(path, follow=operator not in ("-L", "-h"))
        match operator:
            case "-f" | "-s":
                return kind == "file"
            case "-d":
                return kind == "directory"
            case "-L" | "-h":
                return kind == "link"
            case "-O" | "-G":
                return None
            case _:
                return kind is not None

    def _binary(self, left: str, operator: str, right: str) -> Outcome:
        if not is_known(left, right):
            return None
        if operator in ("=", "=="):
            return self._equal(left, right)
        if operator == "!=":
            return not self._equal(left, right)
        return _compare(left, operator, right)

    def _equal(self, left: str, right: str) -> bool:
        return bool(pattern_of(right).fullmatch(left)) if self._patterns else left == right


def _not_empty(value: str) -> Outcome:
    return bool(value) if is_known(value) else None


def _compare(left: str, operator: str, right: str) -> Outcome:
    try:
        difference = int(left) - int(right)
    except ValueError:
        return None
    return {
        "-eq": difference == 0,
        "-ne": difference != 0,
        "-lt": difference < 0,
        "-le": difference <= 0,
        "-gt": difference > 0,
        "-ge": difference >= 0,
    }.get(operator)
