"""Versions sort as dpkg sorts them."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.deb.versions import compare, is_version, satisfies

UPSTREAM = st.from_regex(r"[0-9][0-9a-cA.+~]{0,6}", fullmatch=True)
VERSIONS = st.builds(
    lambda epoch, upstream, revision: epoch + upstream + revision,
    st.sampled_from(["", "0:", "1:", "10:"]),
    UPSTREAM,
    st.sampled_from(["", "-0", "-1", "-1~bpo12+1", "-1+b2", "-0ubuntu1", "-~", "-a"]),
)


def test_agrees_with_dpkg_on_hundreds_of_pairs() -> None:
    """One shell asks dpkg for all pairs: a process for each from Python would take a minute."""
    pairs: list[tuple[str, str]] = []

    @given(VERSIONS, VERSIONS)
    def collect(left: str, right: str) -> None:
        pairs.append((left, right))
        pairs.append((left, left + "~"))

    collect()
    operators = {-1: "lt", 0: "eq", 1: "gt"}
    script = "".join(
        f"dpkg --compare-versions '{left}' {operators[compare(left, right)]} '{right}' || echo '{left} {right}'\n"
        for left, right in dict.fromkeys(pairs)
    )
    outcome = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    assert len(pairs) >= 200
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0+b1"),
        ("1.0-1", "1.0-1+deb12u1"),
        ("9.9", "1:0.1"),
        ("1.9", "1.10"),
        ("1.0a", "1.0+"),
        ("0", "0.0"),
        ("1-0~", "1-0"),
        ("2.36-9+deb12u9", "2.36-9+deb12u10"),
    ],
)
def test_order(older: str, newer: str) -> None:
    assert compare(older, newer) == -1
    assert compare(newer, older) == 1


@pytest.mark.parametrize(("left", "right"), [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.00", "1.0"), ("a", "a0")])
def test_equal_spellings(left: str, right: str) -> None:
    assert compare(left, right) == 0


@given(VERSIONS, VERSIONS, VERSIONS)
def test_is_a_total_order(one: str, two: str, three: str) -> None:
    assert compare(one, two) == -compare(two, one)
    if compare(one, two) <= 0 and compare(two, three) <= 0:
        assert compare(one, three) <= 0


def test_operators_include_and_exclude_equality() -> None:
    held = {operator for operator in ("<<", "<=", "=", ">=", ">>") if satisfies("1.0", operator, "1.0-0")}  # type: ignore[arg-type]
    assert held == {"<=", "=", ">="}


def test_text_that_is_no_version() -> None:
    assert is_version("1:2.3-4~bpo12+1")
    assert not is_version("1.0; rm")
