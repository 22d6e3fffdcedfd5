import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.cli.rendering import (
    Style,
    columns,
    count,
    human_age,
    human_duration,
    human_size,
    human_time,
    indented,
    one_line,
    printable,
    wants_colour,
)

PLAIN = Style(enabled=False)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12.3 kB"),
        (999_600, "1.0 MB"),
        (123_456_789, "123 MB"),
        (5_000_000_000, "5.0 GB"),
        (10**18, "1000 PB"),
    ],
)
def test_sizes_have_a_decimal_unit(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.4, "9.4 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_as_people_say_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-59, "just now"),
        (60, "1 min ago"),
        (3 * 3600 + 5, "3 h ago"),
        (86_400, "1 day ago"),
        (15 * 86_400, "2 weeks ago"),
        (400 * 86_400, "1 year ago"),
        (-7200, "in 2 h"),
    ],
)
def test_ages_are_in_their_largest_unit(seconds: float, text: str) -> None:
    assert human_age(seconds) == text


def test_moments_are_shown_in_one_zone() -> None:
    moment = datetime(2026, 1, 2, 1, 4, tzinfo=timezone(timedelta(hours=2)))
    assert human_time(moment, datetime(2026, 1, 2, 0, 4, tzinfo=UTC)) == "2026-01-01 23:04 UTC (1 h ago)"


@given(st.text())
def test_what_others_wrote_cannot_steer_a_terminal(text: str) -> None:
    assert all(letter.isprintable() or letter == "\n" for letter in printable(text))
    assert one_line(text).isprintable()
    assert len(one_line(text)) <= 72


def test_the_first_line_stands_for_all() -> None:
    assert one_line("  first \nsecond") == "first"
    assert one_line("x" * 80, 5) == "xxxx…"


def test_counts_have_the_right_number() -> None:
    assert [count(n, "package") for n in (0, 1, 2)] == ["0 packages", "1 package", "2 packages"]
    assert count(2, "entry", "entries") == "2 entries"


def test_columns_are_aligned_and_have_no_trailing_blanks() -> None:
    text = columns(("NAME", "SIZE"), [("jq", "1 kB"), ("postgresql", "12 MB")], PLAIN, right=frozenset({1}))
    assert text.splitlines() == [
        "NAME         SIZE",
        "jq           1 kB",
        "postgresql  12 MB",
    ]


def test_further_lines_are_indented() -> None:
    assert indented("a\nb", 2) == "a\n  b"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours_obey_the_user_then_the_terminal(environ: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert wants_colour(_Terminal() if terminal else io.StringIO(), environ) is wanted


def test_style_writes_colours_only_when_enabled() -> None:
    assert Style(enabled=True).bad("no") != "no"
    assert PLAIN.bad("no") == "no"
