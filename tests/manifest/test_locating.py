"""Every key is found on its line, however TOML lets one write it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.manifest.locating import dissect, locate

EVERY_FORM = '''\
# a comment with [brackets] and = signs
top = 1
"quoted key".'and this' = """
line [one]
key = "no key" \\"""
"""   # closing
[ table . sub ]  # comment
array = [
  "a", # one ]
  [ 1, 2 ],

  { x = 1, y.z = "}" },
]
date = 1979-05-27 07:32:00
literal = \'\'\'
[not.a.header]
it''s\'\'\'
[[many]]
name = "first"
[many.inner]
deep = true
[[many.list]]
a = 1
[[many]]
name = "second"
[[many.list]]
a = 2
[[many.list]]
a = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("quoted key", "and this"), 3),
        (("table",), 7),
        (("table", "sub"), 7),
        (("table", "sub", "array"), 8),
        (("table", "sub", "array", 0), 9),
        (("table", "sub", "array", 1), 10),
        (("table", "sub", "array", 2), 12),
        (("table", "sub", "array", 2, "y", "z"), 12),
        (("table", "sub", "date"), 14),
        (("table", "sub", "literal"), 15),
        (("many",), 18),
        (("many", 0, "name"), 19),
        (("many", 0, "inner", "deep"), 21),
        (("many", 0, "list", 0, "a"), 23),
        (("many", 1), 24),
        (("many", 1, "name"), 25),
        (("many", 1, "list", 1, "a"), 29),
    ],
)
def test_every_form_of_key_is_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(EVERY_FORM)
    assert path in locate(EVERY_FORM)
    assert locate(EVERY_FORM).of(path) == line


def test_what_is_missing_is_found_at_the_table_around_it() -> None:
    lines = locate("\n\n[install.x]\npypi = 'x'\n")
    assert lines.of(("install", "x", "nothing")) == 3
    assert lines.of(("elsewhere",)) == 1


def test_windows_line_ends_count_once() -> None:
    assert locate("a = 1\r\n\r\nb = 2\r\n").of(("b",)) == 3


keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6)
scalars = st.one_of(st.booleans(), st.integers(-5, 5), st.sampled_from(["", "x # y", "a\nb", '"', "[", "}", "é=1"]))
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
tables = st.dictionaries(keys, st.one_of(values, st.dictionaries(keys, values, max_size=3)), max_size=4)


@given(tables)
def test_every_path_of_any_document_is_found_in_order(table: dict[str, Any]) -> None:
    text = toml(table)
    assert tomllib.loads(text) == table
    lines = locate(text)
    last = 0
    for path in paths(table, ()):
        assert path in lines
        assert lines.of(path) >= last
        last = lines.of(path)


@given(tables)
def test_pieces_are_the_text_of_their_values(table: dict[str, Any]) -> None:
    text = toml(table)
    for piece in dissect(text):
        if piece.kind == "pair":
            value: Any = table
            for key in piece.path:
                value = value[key]
            assert tomllib.loads("x = " + text[piece.value : piece.end]) == {"x": value}


@given(st.text(max_size=80), st.text(alphabet="[]{}=\".'#,a\n ", max_size=60))
def test_text_that_is_no_toml_ends_the_scan(text: str, noise: str) -> None:
    locate(text)
    locate(noise)
    dissect(noise + text)


def toml(table: dict[str, Any]) -> str:
    """Write tables of the top level as tables, all others inline, as TOML wants plain values first."""
    flat = {k: v for k, v in table.items() if not isinstance(v, dict)}
    rest = {k: v for k, v in table.items() if isinstance(v, dict)}
    lines = [f"{quoted(k)} = {inline(v)}" for k, v in flat.items()]
    for key, inner in rest.items():
        lines += [f"[{quoted(key)}] # c", *(f"  {quoted(k)}={inline(v)} # [x]" for k, v in inner.items())]
    table_in_order = {**flat, **rest}
    table.clear()
    table.update(table_in_order)
    return "\n".join(lines) + "\n"


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",# ]\n".join(inline(v) for v in value) + "]"
    if isinstance(value, str):
        return "'''\n" + value + "'''" if "\n" in value else quoted(value)
    return str(value).lower()


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def paths(value: Any, path: tuple[str | int, ...]) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))
