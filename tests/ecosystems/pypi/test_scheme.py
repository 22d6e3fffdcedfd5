"""Where the members of a wheel are installed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.pypi.scheme import DistInfoError, dist_info_directory, launchers, scheme_of

scheme = scheme_of("demo-1.0.dist-info", "3.11")


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ("demo/x.py", "usr/local/lib/python3.11/dist-packages/demo/x.py"),
        ("demo-1.0.data/platlib/x.so", "usr/local/lib/python3.11/dist-packages/x.so"),
        ("demo-1.0.data/scripts/run", "usr/local/bin/run"),
        ("demo-1.0.data/headers/a/b.h", "usr/local/include/python3.11/demo/a/b.h"),
        ("demo-1.0.data/data/share/x", "usr/local/share/x"),
    ],
)
def test_members_have_one_place(member: str, path: str) -> None:
    assert scheme.path(member) == path


@pytest.mark.parametrize("member", ["demo-1.0.data/etc/x", "demo-1.0.data/scripts/", "demo-1.0.data/x"])
def test_unknown_kinds_of_data_are_refused(member: str) -> None:
    with pytest.raises(DistInfoError):
        scheme.path(member)


@pytest.mark.parametrize("members", [[], ["a-1.dist-info/x", "b-1.dist-info/x"], ["other-1.dist-info/x"]])
def test_there_is_one_dist_info_of_the_right_name(members: list[str]) -> None:
    with pytest.raises(DistInfoError):
        dist_info_directory(members, "a")


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts]\n../evil = demo:main\n",
        "[console_scripts]\nrun = demo\n",
        "[console_scripts]\nrun = de mo:main\n",
        "no section\n",
    ],
)
def test_entry_points_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(DistInfoError):
        launchers(text, "/usr/bin/python3.11")


@given(st.text(max_size=80))
def test_any_text_gives_programs_or_an_error(text: str) -> None:
    try:
        for launcher in launchers(f"[console_scripts]\n{text}", "/usr/bin/python3.11"):
            assert "/" not in launcher.name
    except DistInfoError:
        pass
