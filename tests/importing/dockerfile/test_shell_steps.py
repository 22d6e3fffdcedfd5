"""A script is taken apart into what it calls, and what cannot be known stays unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.importing.dockerfile.shell_steps import ShellSyntaxError, Step, steps


def called(script: str, **values: str) -> list[str]:
    return [("" if step.certain else "? ") + str(step) for step in steps(script, values)]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("a && b 'c d'; e", ["a", "b 'c d'", "e"]),
        ("a || b", ["a", "? b"]),
        ("a | sh", ["? a", "? sh"]),
        ("(a; { b; })", ["a", "b"]),
        ("if a; then b; else c; fi", ["? a", "? b", "? c"]),
        ("for x in 1 2; do a $x; done", ["? a …"]),
        ("a $(b)", ["a …"]),
        ("a $UNKNOWN", ["a …"]),
        ('a $LIST "$LIST"', ["a x y 'x y'"]),
        ("V=1.2; a=$V; b p==$a", ["b p==1.2"]),
        ("export V=1 && a $V", ["a 1"]),
        ("V=1 a", ["a"]),
        ("a ${NO:-default}", ["a default"]),
        ("a > /dev/null 2>&1", ["a"]),
    ],
)
def test_steps(script: str, found: list[str]) -> None:
    assert called(script, LIST="x y") == found


def test_a_script_that_is_none_is_said_to_be() -> None:
    with pytest.raises(ShellSyntaxError):
        called("a 'b")


@given(st.text(alphabet="ab $'\"\\;&|(){}<>\n`=#!-[]*"))
def test_any_text_is_steps_or_no_script(text: str) -> None:
    try:
        found = list(steps(text, {"a": "1"}))
    except (ShellSyntaxError, RecursionError):
        return
    assert all(isinstance(step, Step) and step.words for step in found)
