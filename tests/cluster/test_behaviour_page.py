"""The page on behaviours has the table that is tested, whole."""

from pathlib import Path

from behaviour_rows import page

_PAGE = Path(__file__).parents[2] / "docs" / "behaviour.md"


def test_the_page_has_what_is_tested() -> None:
    assert page() in _PAGE.read_text(encoding="utf-8")
