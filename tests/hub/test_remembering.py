"""What a machine remembers of a hub, and for which questions the hub is asked all the same."""

from pathlib import Path

import pytest
from changes import ENVIRONMENT, authorship, push
from places import Dictionary, Wrapped

from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.names import parse_reference
from breakbulk.hub.records import Recorded
from breakbulk.hub.remembering import RememberingHub
from breakbulk.hub.switching import switch


class Reachable(Wrapped):
    """A place that answers as long as it is `up`."""

    def __init__(self, inner: Dictionary) -> None:
        super().__init__(inner, before=self._refuse)
        self.up = True

    def _refuse(self, _verb: str, _key: str) -> None:
        if not self.up:
            raise NetworkError("nobody answers", identifier="hub-unreachable")


@pytest.fixture
def reachable(place: Dictionary) -> Reachable:
    return Reachable(place)


@pytest.fixture
def remembering(reachable: Reachable, tmp_path: Path) -> RememberingHub:
    return RememberingHub(reachable, tmp_path / "cache")


def resolve(hub: Hub, reference: str = "") -> Recorded:
    return hub.resolve(parse_reference(ENVIRONMENT + reference))


def refused(hub: Hub, reference: str = "") -> BreakbulkError:
    with pytest.raises(BreakbulkError) as error:
        resolve(hub, reference)
    return error.value


def test_what_a_digest_means_is_asked_once(hub: Hub, reachable: Reachable, remembering: RememberingHub) -> None:
    pushed = push(hub, "1")
    digest = f"@{pushed.change.digest}"
    assert resolve(remembering, digest) == pushed
    reachable.requests.clear()
    reachable.up = False
    assert resolve(remembering, digest) == resolve(remembering, f":1{digest}") == pushed
    assert not reachable.requests


def test_a_digest_under_another_number_is_asked_of_the_hub(hub: Hub, remembering: RememberingHub) -> None:
    first = push(hub, "1")
    push(hub, "2")
    resolve(remembering, ":1")
    assert refused(remembering, f":2@{first.change.digest}").reference == "digest-mismatch"
    assert refused(remembering, f"@sha256:{'0' * 64}").reference == "generation-unknown"


def test_the_newest_change_that_is_known_of_a_digest_counts(hub: Hub, remembering: RememberingHub) -> None:
    pushed = push(hub, "1")
    push(hub, "2")
    resolve(remembering, ":1")
    switch(hub, parse_reference(f"{ENVIRONMENT}:1"), authorship())
    resolve(remembering)
    assert resolve(remembering, f"@{pushed.change.digest}").change.number == 3


def test_a_generation_is_asked_for_as_long_as_the_hub_answers(
    hub: Hub, reachable: Reachable, remembering: RememberingHub
) -> None:
    pushed = push(hub, "1")
    resolve(remembering, ":1")
    reachable.requests.clear()
    assert resolve(remembering, ":1") == pushed
    assert reachable.requests["list"] == 1
    reachable.up = False
    assert resolve(remembering, ":1") == pushed


def test_a_name_alone_means_what_the_hub_says_now(hub: Hub, reachable: Reachable, remembering: RememberingHub) -> None:
    push(hub, "1")
    assert resolve(remembering).change.generation == 1
    push(hub, "2")
    assert resolve(remembering).change.generation == 2
    reachable.up = False
    error = refused(remembering)
    assert (error.reference, error.exit_code) == ("hub-unreachable", 71)
    assert f"`-e {ENVIRONMENT}:2` runs the newest of them" in str(error.hint)
    assert refused(remembering, ":3").reference == "hub-unreachable"


def test_memory_that_is_damaged_is_none(hub: Hub, reachable: Reachable, remembering: RememberingHub, tmp_path) -> None:
    pushed = push(hub, "1")
    resolve(remembering)
    for path in (tmp_path / "cache" / "hub" / "changes").rglob("1-1"):
        path.write_bytes(path.read_bytes()[:-9])
    assert resolve(remembering, f"@{pushed.change.digest}") == pushed
    assert reachable.requests["list"] == 2
