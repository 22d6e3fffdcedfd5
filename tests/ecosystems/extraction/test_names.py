import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.extraction import DEBIAN, STRANGER, Limits, Rules, member_path
from breakbulk.ecosystems.extraction.names import collision_key, link_target
from breakbulk.errors import ArchiveError

PARTS = st.sampled_from(["a", "b", "..", ".", "", "usr", "é", "x y"])
PATHS = st.lists(PARTS, max_size=8).map("/".join)


def judge(raw: str, rules: Rules = STRANGER) -> str:
    return member_path(raw, archive="x.tar", rules=rules)


@pytest.mark.parametrize(
    ("raw", "path"), [("./a/b", "a/b"), ("a//b/", "a/b"), ("./", ""), ("é/ü", "é/ü"), ("a b", "a b")]
)
def test_harmless_names_lose_only_dots_and_empty_components(raw: str, path: str) -> None:
    assert judge(raw) == path


@pytest.mark.parametrize(
    ("raw", "identifier"),
    [
        ("/etc/passwd", "archive-path-escape"),
        ("../x", "archive-path-escape"),
        ("a/../../x", "archive-path-escape"),
        ("a/..", "archive-path-escape"),
        ("a\0b", "archive-name-invalid"),
        ("a\nb", "archive-name-invalid"),
        ("a\x9bb", "archive-name-invalid"),
        ("a\\b", "archive-name-invalid"),
        ("txt.\u202eexe", "archive-name-invalid"),
        ("a\udcff", "archive-name-invalid"),
        ("x" * 256, "archive-bomb"),
        ("é" * 128, "archive-bomb"),
        ("/".join("d" * 101), "archive-bomb"),
        ("/".join(["x" * 200] * 16), "archive-bomb"),
    ],
)
def test_names_that_escape_or_deceive_are_refused(raw: str, identifier: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        judge(raw)
    assert caught.value.reference == identifier
    assert caught.value.where is not None
    assert caught.value.where.startswith("x.tar: ")
    assert caught.value.where.isprintable()
    assert caught.value.hint


def test_systemd_units_may_have_backslashes_in_debian_packages() -> None:
    assert judge(r"usr/lib/systemd/system/a\x2db.slice", DEBIAN) == r"usr/lib/systemd/system/a\x2db.slice"


@given(PATHS)
def test_what_is_let_through_stays_below_and_means_one_thing(raw: str) -> None:
    try:
        path = judge(raw)
    except ArchiveError:
        assert raw.startswith("/") or ".." in raw.split("/")
        return
    assert path == posixpath.normpath(f"/{raw}").lstrip("/")
    assert judge(path) == path


@given(st.text(max_size=40))
def test_no_text_breaks_the_judge(raw: str) -> None:
    try:
        path = judge(raw)
    except ArchiveError as error:
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert not path.startswith("/")
        assert "\0" not in path


@given(st.sampled_from(["a", "d/a", "d/e/a"]), PATHS.filter(bool))
def test_relative_links_may_climb_to_the_root_and_not_above(path: str, target: str) -> None:
    depth, lowest = (0 if target.startswith("/") else path.count("/")), 0
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in {"", "."}
        lowest = min(lowest, depth)
    try:
        assert link_target(path, target, archive="x", rules=STRANGER) == target
        assert lowest >= 0
    except ArchiveError as error:
        assert (error.reference, lowest < 0) == ("archive-symlink-escape", True)  # noqa: PT017


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 5000])
def test_targets_that_no_kernel_takes_are_refused(target: str) -> None:
    with pytest.raises(ArchiveError, match="archive-name-invalid"):
        link_target("a", target, archive="x", rules=Rules(limits=Limits()))


@pytest.mark.parametrize(
    ("one", "other", "told_apart_by"),
    [
        ("A", "a", {"debian"}),
        ("ﬁ", "fi", {"debian"}),
        ("\u00e9", "e\u0301", set()),
        ("ẞ", "ss", {"debian"}),
        ("a", "b", {"debian", "stranger"}),
    ],
)
def test_names_that_look_alike(one: str, other: str, told_apart_by: set[str]) -> None:
    rules = {"debian": DEBIAN, "stranger": STRANGER}
    assert told_apart_by == {name for name, r in rules.items() if collision_key(one, r) != collision_key(other, r)}
