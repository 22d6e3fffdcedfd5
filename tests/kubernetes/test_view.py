from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.kubernetes.view import Change, View


def _object(uid: str, version: int, value: str = "") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}, "value": value}


def _kept(found: dict[str, Any]) -> tuple[str, str]:
    return found["metadata"]["uid"], found["value"]


def _listed(view: View[Any], version: int, *objects: dict[str, Any]) -> list[tuple[str, Any]]:
    listing = view.listing()
    listing.add(objects)
    return [tuple(change) for change in view.replace(listing, str(version))]


def test_a_list_tells_what_came_and_what_went() -> None:
    view = View(_kept)
    assert _listed(view, 5, _object("a", 1), _object("b", 2)) == [
        ("added", ("a", "")),
        ("added", ("b", "")),
        ("synced", None),
    ]
    assert _listed(view, 9, _object("b", 8, "new"), _object("c", 9)) == [
        ("deleted", ("a", "")),
        ("changed", ("b", "new")),
        ("added", ("c", "")),
        ("synced", None),
    ]


def test_what_is_not_kept_is_no_change() -> None:
    view = View(_kept)
    _listed(view, 5, _object("a", 1, "same"))
    assert view.event("MODIFIED", _object("a", 6, "same")) is None
    assert view.version == "6"


def test_a_deletion_is_told_once_with_the_last_state() -> None:
    view = View(_kept)
    _listed(view, 5, _object("a", 1, "first"))
    assert view.event("DELETED", _object("a", 6, "last")) == Change("deleted", ("a", "last"))
    assert view.event("DELETED", _object("a", 7, "last")) is None
    assert view.held == {}


def test_what_was_said_before_does_not_bring_an_object_back() -> None:
    view = View(_kept)
    _listed(view, 5, _object("a", 4))
    view.event("DELETED", _object("a", 8))
    assert view.event("ADDED", _object("a", 4)) is None
    assert view.event("BOOKMARK", _object("", 20)) is None
    assert view.version == "20"


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), st.sampled_from("abc"), st.sampled_from(["x", "y"])),
    max_size=30,
)


@given(events=_EVENTS, relisted=st.sets(st.sampled_from("abc")))
def test_each_object_is_added_before_it_changes_and_deleted_once(
    events: list[tuple[str, str, str]], relisted: set[str]
) -> None:
    view = View(_kept)
    told = _listed(view, 1)
    for version, (kind, uid, value) in enumerate(events, start=2):
        if change := view.event(kind, _object(uid, version, value)):
            told.append(tuple(change))
    told += _listed(view, 1000, *(_object(uid, 999, "z") for uid in sorted(relisted)))
    known: dict[str, str] = {}
    for what, kept in told:
        if what == "synced":
            continue
        uid, value = kept
        assert (uid in known) == (what != "added")
        assert what != "changed" or known[uid] != value
        known[uid] = value
        if what == "deleted":
            del known[uid]
    assert known == dict(view.held.values())
    assert known.keys() == relisted
