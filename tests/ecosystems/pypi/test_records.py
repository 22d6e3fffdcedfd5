"""What RECORD promises."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.pypi.records import RecordError, cached_name, parse_record


@given(st.text(max_size=200))
def test_any_text_is_a_record_or_an_error(text: str) -> None:
    with contextlib.suppress(RecordError):
        parse_record(text, "demo-1.0.dist-info")


def test_bytecode_is_named_by_pep_3147() -> None:
    assert cached_name("a/b.py", "cpython-311") == "a/__pycache__/b.cpython-311.pyc"
    assert cached_name("b.py", "cpython-311") == "__pycache__/b.cpython-311.pyc"
