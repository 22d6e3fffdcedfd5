"""What is damaged on a hub is named with its generation, and what is derived is written anew."""

import pytest
from changes import ENVIRONMENT, blob, push
from stocked import push_with_package

from breakbulk.hub import index
from breakbulk.hub.checking import check_hub
from breakbulk.hub.layout import change_key, digest_key, journal_key, object_key, prepared_key


def faults(hub, settings, **options) -> list[tuple[str, str]]:
    return [(fault.where, fault.what) for fault in check_hub(hub, settings, **options).faults]


def test_a_whole_hub_has_no_faults(hub, settings) -> None:
    for number in range(1, 4):
        push_with_package(hub, str(number), b"%d" % number * 100)
    push(hub, environment="bob/other")
    checked = check_hub(hub, settings, deep=True)
    assert checked.faults == ()
    assert (checked.environments, checked.changes) == (2, 4)
    assert checked.bytes_read > 600


@pytest.mark.parametrize("data", [None, b"short", b"b" * 99])
def test_a_damaged_object_is_named_with_its_generation_and_taken_away(hub, place, settings, data) -> None:
    push_with_package(hub, "1", b"o" * 99)
    push_with_package(hub, "2", b"a" * 99)
    key = object_key(blob(b"a" * 99).sha256)
    hub.objects.delete([key])
    if data is not None:
        place.create(key, data)
    [(where, what)] = faults(hub, settings, deep=True)
    assert where == f"{ENVIRONMENT}, generation 2"
    assert blob(b"a" * 99).sha256 in what
    assert "k-jq-1" in what
    assert not check_hub(hub, settings, deep=True, repair=True).good
    assert place.stat(key) is None
    place.create(key, b"a" * 99)
    assert faults(hub, settings, deep=True) == []


def test_a_change_that_is_damaged_missing_or_another_is_named(hub, place, settings) -> None:
    for number in range(1, 6):
        push(hub, str(number))
    place.replace(change_key(ENVIRONMENT, 2), b"{}")
    place.delete([change_key(ENVIRONMENT, 4)])
    named = [where for where, _ in faults(hub, settings)]
    assert f"{ENVIRONMENT}, change 2" in named
    assert f"{ENVIRONMENT}, change 4" in named
    assert f"{ENVIRONMENT}, change 3" not in named


def test_what_is_derived_is_written_anew(hub, place, settings) -> None:
    change = push_with_package(hub, "1", b"a" * 99).change
    push_with_package(hub, "2", b"b" * 99)
    place.delete([digest_key(ENVIRONMENT, change.digest), journal_key(ENVIRONMENT, 2)])
    place.create(prepared_key("k-x-1", "c" * 64), b'{"sha256":"' + b"d" * 64 + b'","size":5}')
    found = check_hub(hub, settings)
    assert [fault.what for fault in found.faults] == [
        "its digest does not lead to it",
        "it leads to no object",
        f"it does not know the newest change of {ENVIRONMENT}",
    ]
    assert not found.good
    assert check_hub(hub, settings, repair=True).good
    assert faults(hub, settings) == []
    assert index.read(hub.objects)[0].change == 2
