"""Two owners of one path: what decides, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.interface import Entry
from breakbulk.errors import ConflictError
from breakbulk.store.conflicts import Tree, arrange

DIRECTORY = Entry("directory", 0o755, "")


def tree(name, priority=5, replaces=(), diverted=(), **files):
    content = {"usr": DIRECTORY}
    content |= {f"usr/{file}": Entry("file", 0o644, value, 1) for file, value in files.items()}
    return Tree(
        id=f"deb:{name}",
        priority=priority,
        content=content,
        replaces=frozenset(f"deb:{other}" for other in replaces),
        diverted=frozenset(f"usr/{path}" for path in diverted),
    )


def names(trees):
    return [trees[number].id.removeprefix("deb:") for number in arrange(trees)]


def test_without_overlap_the_order_stays():
    assert names([tree("b", x="1"), tree("a", y="1"), tree("c")]) == ["b", "a", "c"]


def test_the_lower_priority_is_on_top_and_wins():
    assert names([tree("plain", x="1"), tree("chosen", priority=4, x="2")]) == ["chosen", "plain"]


def test_equal_content_is_no_conflict_even_with_other_modes():
    first, second = tree("a", x="1"), tree("b", x="1")
    second.content["usr/x"] = Entry("file", 0o755, "1", 1)
    assert names([first, second]) == ["a", "b"]


def test_different_content_with_equal_priority_is_refused_with_names_path_and_remedy():
    with pytest.raises(ConflictError) as raised:
        arrange([tree("vim", x="1", y="1"), tree("nano", x="2", y="2"), tree("other")])
    error = raised.value
    assert error.reference == "file-conflict"
    assert "deb:vim" in error.message
    assert "deb:nano" in error.message
    assert error.where == "/usr/x"
    assert "priority = 4" in error.hint
    assert "1 more" in error.why


@pytest.mark.parametrize("other", [Entry("link", 0o777, "target"), Entry("file", 0o644, "", 0)])
def test_a_directory_against_something_else_is_refused(other):
    first, second = tree("a"), tree("b")
    first.content["usr/x"] = DIRECTORY
    second.content["usr/x"] = other
    with pytest.raises(ConflictError):
        arrange([first, second])


def test_directories_with_other_modes_do_not_conflict():
    first, second = tree("a"), tree("b")
    second.content["usr"] = Entry("directory", 0o2775, "")
    assert names([first, second]) == ["a", "b"]


def test_the_replacing_package_is_put_above():
    assert names([tree("old", x="1"), tree("between"), tree("new", replaces=["old"], x="2")]) == [
        "between",
        "new",
        "old",
    ]
    assert names([tree("new", replaces=["old"], x="2"), tree("old", x="1")]) == ["new", "old"]


def test_replacing_one_does_not_excuse_another():
    with pytest.raises(ConflictError, match="deb:third"):
        arrange([tree("old", x="1"), tree("new", replaces=["old"], x="2"), tree("third", x="3")])


def test_the_diverting_package_is_put_above():
    assert names([tree("bash", sh="1"), tree("dash", sh="2", diverted=["sh"])]) == ["dash", "bash"]


def test_two_that_replace_each_other_are_put_in_some_order():
    assert sorted(names([tree("a", x="1", y="1", replaces=["b"]), tree("b", x="2", y="2", replaces=["a"])])) == [
        "a",
        "b",
    ]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"))), max_size=6)
)
def test_the_top_owner_of_each_path_has_the_best_priority_or_there_is_a_conflict(described):
    trees = [tree(f"n{number}", priority, **files) for number, (priority, files) in enumerate(described)]
    try:
        order = arrange(trees)
    except ConflictError as error:
        path = error.where.lstrip("/")
        owners = [t for t in trees if path in t.content]
        assert len({(t.priority, t.content[path].content) for t in owners}) > len({t.priority for t in owners})
        return
    assert sorted(order) == list(range(len(trees)))
    assert [trees[n].priority for n in order] == sorted(t.priority for t in trees)
