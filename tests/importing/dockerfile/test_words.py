"""Quotes and variables are those of a Dockerfile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.importing.dockerfile.words import Words, pairs

VALUES = {"A": "one", "EMPTY": "", "B_2": "two words"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A", "one"),
        ("x${A}y", "xoney"),
        ("$B_2/x", "two words/x"),
        ("'$A'", "$A"),
        ("\"$A 'x'\"", "one 'x'"),
        (r"\$A", "$A"),
        (r'"a\nb\"c"', r'a\nb"c'),
        (r"a\ b", "a b"),
        ("${EMPTY:-other $A}", "other one"),
        ("${A:-other}", "one"),
        ("${A:+set}${EMPTY:+set}", "set"),
        ("$", "$"),
        ("${", "${"),
        ("a#b;c&d(e)", "a#b;c&d(e)"),
    ],
)
def test_variables_and_quotes(text: str, expanded: str) -> None:
    words = Words(VALUES)
    assert words.expand(text) == expanded
    assert words.missing == set()


def test_what_has_no_value_is_empty_and_named() -> None:
    words = Words({})
    assert words.split("a$NO b '$QUOTED' ${DEFAULTED:-c}") == ["a", "b", "$QUOTED", "c"]
    assert words.missing == {"NO"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1 B=\"2 3\" C='$A'  D=4\\ 5", {"A": "1", "B": "2 3", "C": "$A", "D": "4 5"}),
        ("A and all the rest", {"A": "and all the rest"}),
        ("URL=http://h/?a=1&b=2", {"URL": "http://h/?a=1&b=2"}),
        ('"quoted.key"=x', {"quoted.key": "x"}),
        ("", {}),
    ],
)
def test_pairs(text: str, found: dict[str, str]) -> None:
    assert pairs(text, Words({})) == found


@given(st.text(), st.sampled_from(["\\", "`"]))
def test_any_text_is_read(text: str, escape: str) -> None:
    words = Words(VALUES, escape)
    words.split(text)
    pairs(text, words)
