"""Mirrors, collections and checks of a hub that is a service, with a token that may do so."""

from datetime import timedelta
from pathlib import Path

import pytest
from changes import ENVIRONMENT, blob
from serving import Served, serving
from stocked import push_with_package, put

from breakbulk.errors import HubError
from breakbulk.hub.checking import check_hub
from breakbulk.hub.collection import collect_hub
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.mirror import mirror
from breakbulk.hub.names import parse_reference
from breakbulk.settings import Settings

NAMES = [parse_reference(ENVIRONMENT)]


@pytest.fixture
def elsewhere(tmp_path: Path, settings: Settings):
    """A service over a directory of its own, empty."""
    from breakbulk.hub.backends.directory import DirectoryObjects

    with serving(DirectoryObjects(tmp_path / "served"), settings, tmp_path / "state") as served:
        yield served


def as_hub(served: Served, **scope) -> Hub:
    return Hub(served.objects(**scope), pause=lambda _seconds: None)


def test_a_mirror_to_a_service_restores_what_others_pushed(hub, elsewhere: Served, settings: Settings) -> None:
    for version in ("1", "2"):
        push_with_package(hub, version, version.encode() * 99)
    target = as_hub(elsewhere, subject="keeper")
    [one] = mirror(hub, target, NAMES, settings, {})
    assert one.new_changes == 2
    assert [each.sha256 for each in target.history(ENVIRONMENT)] == [each.sha256 for each in hub.history(ENVIRONMENT)]
    [again] = mirror(hub, target, NAMES, settings, {})
    assert (again.new_changes, again.objects_sent) == (0, 0)
    mirror(hub, target, NAMES, settings, {}, all_generations=True)
    checked = check_hub(target, settings, deep=True)
    assert checked.faults == ()


def test_a_token_that_may_only_push_restores_nothing_of_others(hub, elsewhere: Served, settings: Settings) -> None:
    push_with_package(hub, "1", b"a" * 99)
    with pytest.raises(HubError) as raised:
        mirror(hub, as_hub(elsewhere, subject="bob", verbs=("read", "push")), NAMES, settings, {})
    assert raised.value.reference in {"author-forged", "hub-denied", "token-scope"}


def test_a_service_is_collected_from_afar(elsewhere: Served, settings: Settings) -> None:
    hub = as_hub(elsewhere)
    push_with_package(hub, "1", b"a" * 99)
    litter = put(hub, b"litter")
    assert collect_hub(hub, settings, grace=timedelta(hours=1)).removed == 0
    assert collect_hub(hub, settings, grace=timedelta(0)).removed == 1
    assert hub.objects.stat(litter) is None
    assert hub.objects.stat(object_key(blob(b"a" * 99).sha256)) is not None
    assert check_hub(hub, settings).faults == ()
