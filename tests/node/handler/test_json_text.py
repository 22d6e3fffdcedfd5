"""JSON for the runtime handler says what the standard library's `json` says."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import breakbulk
from breakbulk.node import json_text

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_a_value_comes_back_and_is_text_as_json_writes_it(value: Any) -> None:
    text = json_text.dumps(value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert json_text.loads(f"\n {text}\t\n".encode()) == value


@given(st.text(alphabet='{}[]:," \\\n\t0123456789.eE+-abtrufnlsNIy\x00é', max_size=20))
def test_what_is_no_json_is_refused_as_json_refuses_it(text: str) -> None:
    try:
        expected = json.loads(text, parse_constant=no_number)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - whichever
            json_text.loads(text)
    else:
        assert json_text.loads(text) == expected


def no_number(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}', "", " ", "{} {}", "[" * 100_000])
def test_no_value(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever
        json_text.loads(text)


@pytest.mark.parametrize("text", [b"\xff", b'"\xed\xa0\x80"'])
def test_no_utf_8(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever
        json_text.loads(text)


@pytest.mark.parametrize("value", [{"a": b"bytes"}, object(), [math.nan]])
def test_what_has_no_text_is_refused_and_does_no_harm_to_what_comes_after(value: object) -> None:
    for _ in range(2):
        with pytest.raises((TypeError, ValueError)):
            json_text.dumps(value)
    assert json_text.dumps({"a": [1, "ü"]}) == '{"a":[1,"\\u00fc"]}'


WITHOUT = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name == "_json":
            raise ImportError(name)
sys.modules.pop("_json", None)
sys.meta_path.insert(0, Gone())
sys.path.insert(0, sys.argv[1])
from breakbulk.node import json_text
try:
    json_text.loads("[NaN]")
except ValueError:
    print(json_text.dumps(json_text.loads(b' {"a": [1, "x"]} ')))
"""
REFUSED = """
import sys
sys.path.insert(0, sys.argv[1])
from breakbulk.node import json_text
for text in ("{", "[1,", "[nothing]", '"'):
    try:
        json_text.loads(text)
    except ValueError:
        print("refused")
"""
IMPORTED = """
import sys
sys.path.insert(0, sys.argv[1])
from breakbulk.node import handler
from breakbulk.node.handler import creating, rooting, entering
print(*sorted({"json", "re", "collections", "contextlib", "typing", "pathlib"} & set(sys.modules)))
"""


def test_a_python_without_these_functions() -> None:
    assert run(WITHOUT) == '{"a":[1,"x"]}\n'


def test_what_is_no_json_is_refused_where_json_is_not_imported() -> None:
    assert run(REFUSED) == "refused\nrefused\nrefused\nrefused\n"


def test_what_takes_long_is_not_imported_on_the_way_to_a_container() -> None:
    assert run(IMPORTED) == "\n"


def run(program: str) -> str:
    source = str(Path(breakbulk.__file__).parents[1])
    command = [sys.executable, "-IS", "-c", program, source]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
