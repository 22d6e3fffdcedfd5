"""The order of layers: base, priority, the lock's order; checked once, then read."""

import pytest
from tar_ecosystem import TarEcosystem, make_package, settings_for

from breakbulk.errors import ConflictError
from breakbulk.store import composition
from breakbulk.store.bundle import trees_of
from breakbulk.store.composition import check_conflicts, compose
from breakbulk.store.layout import Layout
from breakbulk.store.realise import realise


@pytest.fixture
def store(tmp_path):
    settings = settings_for(tmp_path)

    def have(*packages):
        realise(
            packages,
            None,
            manifest_installs={},
            ecosystems={"archive": TarEcosystem(tmp_path)},
            settings=settings,
        )
        return Layout(settings.store)

    return have


def test_base_is_on_top_then_priority_then_the_locks_order(tmp_path, store):
    packages = [
        make_package(tmp_path, "late", {"a": b"1"}, priority=9),
        make_package(tmp_path, "b", {"b": b"1"}),
        make_package(tmp_path, "a", {"a": b"2"}, priority=5),
        make_package(tmp_path, "early", {"a": b"3"}, priority=1),
    ]
    layout = store(*packages)
    base = tmp_path / "base"
    lowers = compose(layout, base, packages)
    assert [path.name.split("-")[1] if path != base else "base" for path in lowers] == [
        "base",
        "early",
        "b",
        "a",
        "late",
    ]


def test_of_too_many_packages_the_base_stays_a_layer_of_its_own(tmp_path, store, monkeypatch):
    packages = [make_package(tmp_path, f"p{number}", {f"{number}": b"1"}) for number in range(4)]
    layout = store(*packages)
    monkeypatch.setattr(composition, "BUNDLE_OVER", 2)
    base, *rest = compose(layout, tmp_path / "base", packages)
    assert base == tmp_path / "base"
    assert [path.parent for path in rest] == [layout.bundles]
    assert trees_of(layout, rest) == tuple(layout.tree(package) for package in packages)


def test_the_second_time_no_record_is_read(tmp_path, store):
    packages = [make_package(tmp_path, "a", {"a": b"1"}), make_package(tmp_path, "b", {"b": b"2"})]
    layout = store(*packages)
    first = compose(layout, None, packages)
    for record in layout.records.iterdir():
        record.unlink()
    assert compose(layout, None, packages) == first


def test_a_conflict_is_found_at_the_first_composition_and_not_remembered_as_fine(tmp_path, store):
    packages = [make_package(tmp_path, "a", {"opt/x": b"1"}), make_package(tmp_path, "b", {"opt/x": b"2"})]
    layout = store(*packages)
    for _ in range(2):
        with pytest.raises(ConflictError, match="/opt/x"):
            compose(layout, None, packages)


def test_what_is_not_here_yet_is_not_compared_at_lock_time(tmp_path, store):
    here = make_package(tmp_path, "a", {"opt/x": b"1"})
    there = make_package(tmp_path, "b", {"opt/x": b"2"})
    layout = store(here)
    check_conflicts(layout, [here, there], {})
    store(there)
    with pytest.raises(ConflictError):
        check_conflicts(layout, [here, there], {})


def test_a_listing_known_before_the_archive_is_compared(tmp_path, store):
    here = make_package(tmp_path, "a", {"opt/x": b"1"})
    there = make_package(tmp_path, "b", {"opt/y": b"2"})
    layout = store(here)
    check_conflicts(layout, [here, there], {there.id: {"opt/y": "anything"}})
    with pytest.raises(ConflictError):
        check_conflicts(layout, [here, there], {there.id: {"opt/x": "other"}})
