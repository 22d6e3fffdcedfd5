"""What a package says of its licences to machines, and nothing where it speaks to people only."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.store.licences import licences_in, stated_licences

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
TEXT = f"""{FORMAT}Upstream-Name: tool
Comment:
 License: none of this
 .
 is meant.

Files: *
Copyright: 2020 Somebody
License: GPL-3+

Files: lib/*
  more/*
Copyright: 2021 Another
License: Expat   or Apache-2.0
 The text of the licence
 .
 in full.

Files: doc/*
Copyright: 2021 Another
License: GPL-3+

License: GPL-3+
 On Debian systems ...

License: never-used
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree/usr/share/doc/tool"
    directory.mkdir(parents=True)
    (directory / "copyright").write_text(TEXT)
    return tmp_path / "tree"


def test_the_licences_of_files_are_told_once(tree: Path) -> None:
    assert licences_in(TEXT) == ("GPL-3+", "Expat or Apache-2.0")
    assert licences_in(TEXT.replace("\n", "\r\n")) == licences_in(TEXT)
    assert stated_licences(tree) == ("Expat or Apache-2.0", "GPL-3+")


def test_a_header_may_say_it_for_all() -> None:
    assert licences_in(f"{FORMAT}License: MIT\n") == ("MIT",)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "This is free software.\n\nLicense: GPL\n", "Format: other\nLicense: x\n"]
)
def test_words_for_people_are_not_guessed_at(text: str) -> None:
    assert licences_in(text) == ()


@given(st.lists(st.sampled_from([FORMAT, "Files: *\n", "License: MIT\n", "License:\n", " text\n", "\n", ":", "\x00"])))
def test_nothing_but_licences_comes_of_any_text(parts: list[str]) -> None:
    found = licences_in("".join(parts))
    assert all(name and "\n" not in name for name in found)
    assert len(set(found)) == len(found)
    assert not found or "MIT" in "".join(parts)


def test_files_outside_of_the_package_are_not_read(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "outside"
    other.mkdir()
    (other / "copyright").write_text(f"{FORMAT}License: elsewhere\n")
    (tree / "usr/share/doc/linked").symlink_to(other)
    (tree / "usr/share/doc/gone").symlink_to("absent")
    (tree / "usr/share/doc/also").symlink_to("tool")
    assert stated_licences(tree) == ("Expat or Apache-2.0", "GPL-3+")


def test_a_package_without_documentation(tmp_path: Path) -> None:
    assert stated_licences(tmp_path) == ()
