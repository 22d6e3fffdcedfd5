import msgspec
import pytest
from changes import ENVIRONMENT, authorship, locked, push
from hypothesis import given
from hypothesis import strategies as st
from places import Dictionary, Wrapped

from breakbulk.errors import BreakbulkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import change_key
from breakbulk.hub.names import parse_reference
from breakbulk.hub.records import Change
from breakbulk.hub.statements import Signature
from breakbulk.hub.switching import rollback, switch

BY = authorship("it hurts", author="bob")


def live(hub: Hub) -> int:
    current = hub.current(ENVIRONMENT)
    assert current is not None
    return current.change.generation


def to(generation: int) -> str:
    return f"{ENVIRONMENT}:{generation}"


def test_a_switch_makes_an_earlier_generation_live_with_all_it_had(hub: Hub) -> None:
    first = push(hub, "a", message="first", installs=("jq",), packages=1).change
    second = push(hub, "b").change
    recorded = switch(hub, parse_reference(to(1)), BY)
    assert recorded is not None
    change = recorded.change
    assert (change.kind, change.number, change.generation, change.generations, change.previous) == (
        "switch",
        3,
        1,
        2,
        2,
    )
    assert (change.author, change.message, change.about) == ("bob", "it hurts", "first")
    copied = ("digest", "lock", "manifest", "prepared", "archives", "installs", "packages")
    assert [getattr(change, name) for name in copied] == [getattr(first, name) for name in copied]
    assert hub.lock(change) == locked("a")
    assert hub.resolve(parse_reference(ENVIRONMENT)) == recorded
    assert hub.resolve(parse_reference(to(2))).change == second
    assert push(hub, "c").change.generation == 3


def test_a_switch_to_what_is_live_changes_nothing(hub: Hub) -> None:
    push(hub)
    assert switch(hub, parse_reference(to(1)), BY) is None
    assert hub.last_number(ENVIRONMENT) == 1


def test_a_switch_by_digest(hub: Hub) -> None:
    first = push(hub, "a").change
    push(hub, "b")
    switch(hub, parse_reference(f"{ENVIRONMENT}@{first.digest}"), BY)
    assert live(hub) == 1


@pytest.mark.parametrize("name", [to(3), "ada/other:1", f"{ENVIRONMENT}@sha256:{'0' * 64}"])
def test_a_switch_to_what_there_is_not_is_refused(hub: Hub, name: str) -> None:
    push(hub, "a")
    with pytest.raises(BreakbulkError) as error:
        switch(hub, parse_reference(name), BY)
    assert error.value.exit_code == 72
    assert hub.last_number(ENVIRONMENT) == 1


def test_each_rollback_takes_one_step_further_back(hub: Hub) -> None:
    for version in "abc":
        push(hub, version)
    assert [rollback(hub, ENVIRONMENT, BY).change.generation for _ in range(2)] == [2, 1]
    push(hub, "d")
    assert rollback(hub, ENVIRONMENT, BY).change.generation == 1
    with pytest.raises(BreakbulkError) as error:
        rollback(hub, ENVIRONMENT, BY)
    assert (error.value.reference, error.value.exit_code) == ("rollback-impossible", 72)
    assert live(hub) == 1


def test_a_rollback_takes_a_switch_back_too(hub: Hub) -> None:
    for version in "abc":
        push(hub, version)
    switch(hub, parse_reference(to(1)), BY)
    assert rollback(hub, ENVIRONMENT, BY).change.generation == 3
    assert rollback(hub, ENVIRONMENT, BY).change.generation == 2


@given(st.lists(st.sampled_from(["push", "rollback", 1, 2, 3, 4]), max_size=30))
def test_a_rollback_is_undo(steps: list[str | int]) -> None:
    """Compared with a stack: a push or switch puts on it what is live, a rollback takes it off."""
    hub = Hub(Dictionary())
    push(hub, "0")
    stack, pushed = [1], 1
    for step in steps:
        if step == "push":
            pushed += 1
            stack.append(push(hub, str(pushed)).change.generation)
        elif step == "rollback":
            if len(stack) > 1:
                stack.pop()
                rollback(hub, ENVIRONMENT, BY)
            else:
                with pytest.raises(BreakbulkError):
                    rollback(hub, ENVIRONMENT, BY)
        elif isinstance(step, int) and step <= pushed and switch(hub, parse_reference(to(step)), BY):
            stack.append(step)
        assert live(hub) == stack[-1]
    hub.history(ENVIRONMENT)


def test_a_rollback_does_not_take_back_what_somebody_pushed_meanwhile(place: Dictionary, hub: Hub) -> None:
    push(hub, "a")
    push(hub, "b")
    rivals = iter("c")

    def meanwhile(verb: str, key: str) -> None:
        if verb == "create" and "/changes/" in key and (version := next(rivals, None)):
            push(hub, version)

    with pytest.raises(BreakbulkError) as error:
        rollback(Hub(Wrapped(place, before=meanwhile)), ENVIRONMENT, BY)
    assert (error.value.reference, error.value.why) == ("hub-changed", "generation 3 is live now")
    assert live(hub) == 3


def test_a_switch_follows_what_somebody_pushed_meanwhile(place: Dictionary, hub: Hub) -> None:
    push(hub, "a")
    push(hub, "b")
    rivals = iter("c")

    def meanwhile(verb: str, key: str) -> None:
        if verb == "create" and "/changes/" in key and (version := next(rivals, None)):
            push(hub, version)

    recorded = switch(Hub(Wrapped(place, before=meanwhile)), parse_reference(to(1)), BY)
    assert recorded is not None
    assert (recorded.change.number, recorded.change.previous, recorded.change.generations) == (4, 3, 3)


def test_an_environment_that_is_gone_meanwhile_is_not_taken_for_switched(place: Dictionary, hub: Hub) -> None:
    push(hub, "a")
    push(hub, "b")
    lists = iter([False, True])

    def meanwhile(verb: str, _key: str) -> None:
        if verb == "list" and next(lists, False):
            place.objects.clear()

    with pytest.raises(BreakbulkError) as error:
        switch(Hub(Wrapped(place, before=meanwhile)), parse_reference(to(1)), BY)
    assert error.value.reference == "hub-changed"


def test_switches_are_signed_like_pushes(hub: Hub) -> None:
    push(hub, "a")
    push(hub, "b")
    recorded = rollback(hub, ENVIRONMENT, BY, lambda _payload: (Signature(keyid="k", sig="c2ln"),))
    assert recorded.envelope.signatures


def test_a_rollback_reads_no_more_than_it_takes_back(place: Dictionary) -> None:
    counting = Wrapped(place)
    hub = Hub(counting)
    for version in range(30):
        push(hub, str(version))
    counting.requests.clear()
    rollback(hub, ENVIRONMENT, BY)
    assert counting.requests["get"] <= 5  # one of them says which layout the hub has
    assert counting.requests["list"] <= 4


def test_a_rollback_over_a_broken_history_is_refused(hub: Hub, place: Dictionary) -> None:
    for version in "abc":
        push(hub, version)
    rollback(hub, ENVIRONMENT, BY)
    place.delete([change_key(ENVIRONMENT, 2)])
    with pytest.raises(BreakbulkError) as error:
        rollback(hub, ENVIRONMENT, BY)
    assert error.value.reference == "history-broken"


def test_what_a_switch_records_can_be_read_again(hub: Hub) -> None:
    push(hub, "a")
    push(hub, "b")
    change: Change = rollback(hub, ENVIRONMENT, BY).change
    assert hub.recorded(ENVIRONMENT, 3).change == change
    assert msgspec.structs.replace(change, token="") != change
