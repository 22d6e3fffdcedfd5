"""`breakbulk hub gc`, `hub check`, `hub mirror`."""

from pathlib import Path

import pytest
from changes import ENVIRONMENT, blob
from stocked import push_with_package, put

from breakbulk.hub.layout import object_key


@pytest.fixture
def stocked(hub):
    push_with_package(hub, "1", b"a" * 99)
    return hub


def test_a_collection_says_what_it_would_remove_and_removes_it(call, stocked) -> None:
    litter = put(stocked, b"litter")
    assert call("hub", "gc", "--json").document["young"] == 1
    planned = call("hub", "gc", "--grace", "0s", "--dry-run", "--json").document
    assert (planned["removed"], planned["size_bytes"]) == (1, 6)
    assert "1 object of 5 removed" in call("hub", "gc", "--grace", "0s").out
    assert stocked.objects.stat(litter) is None
    assert call("hub", "gc", "--grace", "soon").code == 2


def test_a_check_ends_with_a_status_that_scripts_see(call, stocked) -> None:
    well = call("hub", "check", "--deep")
    assert (well.code, "all is well" in well.out) == (0, True)
    stocked.objects.delete([object_key(blob(b"a" * 99).sha256)])
    found = call("hub", "check", "--json")
    assert found.code == 69
    [fault] = [each for each in found.document["faults"] if each["where"] != "prepared"][:1]
    assert fault["where"] == f"{ENVIRONMENT}, generation 1"
    assert call("hub", "check").code == 69


def test_a_check_of_a_mirror_counts_what_it_was_not_given(call, stocked, tmp_path: Path) -> None:
    push_with_package(stocked, "2", b"b" * 99)
    target = str(tmp_path / "mirror")
    call("hub", "mirror", ENVIRONMENT, "--to", target)
    found = call("hub", "check", BREAKBULK_HUB=target)
    assert (found.code, "1 generation with packages that a mirror left" in found.out) == (0, True)
    assert call("hub", "check", "--json", BREAKBULK_HUB=target).document["generations_elsewhere"] == 1


def test_a_mirror_is_named_by_its_addresses(call, stocked, tmp_path: Path) -> None:
    target = str(tmp_path / "mirror")
    done = call("hub", "mirror", ENVIRONMENT, "--to", target, "--json").document
    assert (done["to"], done["environments"][0]["new_changes"]) == (target, 1)
    assert "0 objects of 4 sent" in call("hub", "mirror", "--to", target).out
    assert call("history", ENVIRONMENT, BREAKBULK_HUB=target).code == 0
    assert call("hub", "mirror", "ada/absent", "--to", target).code == 72
    same = call("hub", "mirror", ENVIRONMENT)
    assert (same.code, "mirror-same" in same.err) == (78, True)
