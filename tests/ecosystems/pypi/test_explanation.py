"""What uv says becomes one of our errors, without hosts and credentials."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.pypi.explanation import explain, plain
from breakbulk.ecosystems.pypi.target import Target
from breakbulk.errors import BreakbulkError

BOOKWORM = Target("x86_64", "3.11", 36)


def test_hosts_credentials_colour_and_temporary_names_are_taken_out() -> None:
    text = plain("\x1b[31merror\x1b[0m: https://me:pw@127.0.0.1/a/b/c.whl?token=x /tmp/breakbulk-uv-abc/r.in")
    assert text == "error: …/b/c.whl r.in"


@given(st.text(max_size=300))
def test_any_text_of_uv_becomes_an_error(text: str) -> None:
    assert isinstance(explain(text, BOOKWORM), BreakbulkError)


@pytest.mark.parametrize(
    "sign",
    [
        "Wheels are required for `",
        "x has no wheels with a matching",
        "was filtered by `exclude-newer`",
        "was not found in the package registry",
    ],
)
def test_a_sign_without_its_names_becomes_an_error_too(sign: str) -> None:
    assert isinstance(explain(sign, BOOKWORM), BreakbulkError)
