import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from changes import ENVIRONMENT, authorship, blob, following, locked, push
from hypothesis import given
from hypothesis import strategies as st
from places import Dictionary, Wrapped

from breakbulk.errors import BreakbulkError, HubError, NetworkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import HUB, change_key, digest_key, journal_key, object_key
from breakbulk.hub.names import parse_reference
from breakbulk.hub.opening import open_hub
from breakbulk.hub.records import PreparedSet, Recorded, encode_change
from breakbulk.hub.statements import Signature, encode_envelope
from breakbulk.hub.switching import switch
from breakbulk.settings import Settings

COMMITTER = Path(__file__).parent / "support" / "committer.py"


def refused(work: Callable[[], object]) -> BreakbulkError:
    with pytest.raises(BreakbulkError) as error:
        work()
    return error.value


def quiet(place: Dictionary | Wrapped) -> Hub:
    return Hub(place, pause=lambda _seconds: None)


def test_an_environment_that_nobody_pushed_is_unknown(hub: Hub) -> None:
    assert hub.current(ENVIRONMENT) is None
    assert hub.last_number(ENVIRONMENT) == 0
    for ask in (
        lambda: hub.history(ENVIRONMENT),
        lambda: hub.resolve(parse_reference(ENVIRONMENT)),
        lambda: hub.resolve(parse_reference(f"{ENVIRONMENT}:1")),
    ):
        error = refused(ask)
        assert (error.reference, error.where) == ("environment-unknown", hub.url)


def test_pushes_are_numbered_and_the_last_is_live(hub: Hub) -> None:
    recorded = [push(hub, version) for version in "abc"]
    assert [one.change.generation for one in recorded] == [1, 2, 3]
    assert hub.current(ENVIRONMENT) == recorded[-1]
    assert list(hub.history(ENVIRONMENT)) == recorded
    assert list(hub.history(ENVIRONMENT, newest=2)) == recorded[1:]
    assert list(hub.history(ENVIRONMENT, newest=9)) == recorded
    assert hub.environments() == {ENVIRONMENT: 3}


def test_environments_whose_names_begin_alike_are_kept_apart(hub: Hub) -> None:
    push(hub, environment="ada/tick")
    push(hub, environment="ada/tickets")
    push(hub, environment="ada/tickets")
    assert hub.environments() == {"ada/tick": 1, "ada/tickets": 2}


def test_the_lock_is_what_was_pushed(hub: Hub) -> None:
    assert hub.lock(push(hub, "7").change) == locked("7")


def test_a_lock_of_another_environment_is_refused(hub: Hub) -> None:
    other = push(hub, "8").change
    change = msgspec.structs.replace(other, digest=push(hub, "7").change.digest)
    assert refused(lambda: hub.lock(change)).where == "ada/tickets:1"


def test_an_object_that_was_altered_or_cut_off_is_refused(hub: Hub, place: Dictionary) -> None:
    change = push(hub).change
    key = object_key(change.lock.sha256)
    data = place.get(key)
    for wrong in (data[:-1], data.replace(b"jq", b"qj"), b""):
        place.replace(key, wrong)
        error = refused(lambda: hub.lock(change))
        assert error.reference == "digest-mismatch"
        assert error.where == f"{hub.url}/{key}"
    place.delete([key])
    assert refused(lambda: hub.lock(change)).reference == "object-missing"


def test_a_list_of_prepared_packages_may_be_missing_but_not_damaged(hub: Hub, place: Dictionary) -> None:
    bad = blob(b"no list")
    place.create(object_key(bad.sha256), b"no list")
    change = push(hub, prepared={"x86_64-linux": bad}).change
    assert hub.prepared(change, "aarch64-linux") == PreparedSet(packages={})
    assert refused(lambda: hub.prepared(change, "x86_64-linux")).reference == "object-damaged"


@given(st.lists(st.integers(0, 8), max_size=40))
def test_every_generation_is_found_among_any_number_of_switches(steps: list[int]) -> None:
    """A step of 0 pushes, another one switches to that generation if there is one."""
    hub = quiet(Dictionary())
    pushes = [push(hub, "0")]
    for step in steps:
        if step == 0:
            pushes.append(push(hub, str(len(pushes))))
        elif step <= len(pushes):
            switch(hub, parse_reference(f"{ENVIRONMENT}:{step}"), authorship())
    for pushed in pushes:
        reference = parse_reference(f"{ENVIRONMENT}:{pushed.change.generation}")
        assert hub.resolve(reference) == pushed
    assert refused(lambda: hub.resolve(parse_reference(f"{ENVIRONMENT}:{len(pushes) + 1}"))).reference == (
        "generation-unknown"
    )
    hub.history(ENVIRONMENT)


def test_an_environment_is_found_by_its_digest_with_and_without_the_derived_object(hub: Hub, place: Dictionary) -> None:
    first, second = push(hub, "a"), push(hub, "b")
    reference = parse_reference(f"{ENVIRONMENT}@{first.change.digest}")
    assert hub.resolve(reference) == first
    assert hub.resolve(parse_reference(f"{ENVIRONMENT}@{second.change.digest}")) == second
    key = digest_key(ENVIRONMENT, first.change.digest)
    for wrong in (b"2", b"9", b"-1", b"first", b""):
        place.replace(key, wrong)
        assert hub.resolve(reference) == first
    place.delete([key])
    assert hub.resolve(reference) == first
    unknown = parse_reference(f"{ENVIRONMENT}@sha256:{'0' * 64}")
    assert refused(lambda: hub.resolve(unknown)).reference == "generation-unknown"


def test_a_number_and_a_digest_must_mean_the_same(hub: Hub) -> None:
    first, second = push(hub, "a"), push(hub, "b")
    assert hub.resolve(parse_reference(f"{ENVIRONMENT}:1@{first.change.digest}")) == first
    error = refused(lambda: hub.resolve(parse_reference(f"{ENVIRONMENT}:1@{second.change.digest}")))
    assert (error.reference, error.exit_code) == ("digest-mismatch", 69)


def test_a_history_is_broken_wherever_a_change_is_missing(hub: Hub, place: Dictionary) -> None:
    for version in "abcde":
        push(hub, version)
    for number in (1, 2, 3, 4):
        key = change_key(ENVIRONMENT, number)
        data = place.get(key)
        place.delete([key])
        error = refused(lambda: hub.history(ENVIRONMENT))
        assert (error.reference, error.exit_code) == ("history-broken", 69)
        assert f"at change {number}" in str(error)
        place.create(key, data)
    assert len(hub.history(ENVIRONMENT)) == 5


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_history_is_broken_wherever_a_change_was_put_in(hub: Hub, place: Dictionary, number: int) -> None:
    for version in "abcde":
        push(hub, version)
    real = hub.recorded(ENVIRONMENT, number).change
    forged = msgspec.structs.replace(real, lock=blob(b"of somebody else"), message="all is well")
    place.replace(change_key(ENVIRONMENT, number), encode_envelope(encode_change(forged)))
    assert refused(lambda: hub.history(ENVIRONMENT)).reference == "history-broken"


@pytest.mark.parametrize(
    "leap",
    [
        {"generation": 2, "generations": 2},
        {"kind": "switch", "generation": 1, "generations": 3},
        {"previous": 1},
    ],
    ids=str,
)
def test_a_history_whose_numbers_do_not_follow_is_broken(
    hub: Hub, place: Dictionary, leap: dict[str, int | str]
) -> None:
    push(hub, "a")
    leaping = following(push(hub, "b"), lock=locked("c"), **leap)
    place.create(change_key(ENVIRONMENT, 3), encode_envelope(encode_change(leaping)))
    assert refused(lambda: hub.history(ENVIRONMENT)).reference == "history-broken"
    assert refused(lambda: hub.before(hub.recorded(ENVIRONMENT, 3))).reference == "history-broken"


def test_a_list_that_names_a_change_that_is_gone_is_a_broken_history(place: Dictionary) -> None:
    push(quiet(place), "a")
    gone = quiet(Wrapped(place, before=lambda verb, key: verb == "get" and place.delete([key])))
    assert refused(lambda: gone.current(ENVIRONMENT)).reference == "history-broken"


def test_what_lies_about_among_the_changes_is_no_change(hub: Hub, place: Dictionary) -> None:
    push(hub)
    for name in ("2", "0000002", "000000002", "٠٠٠٠٠٠٠٢", "00000002.tmp", "-0000002", "notes"):
        place.create(f"environments/{ENVIRONMENT}/changes/{name}", b"junk")
    assert hub.last_number(ENVIRONMENT) == 1


def test_signatures_are_of_the_statement(hub: Hub) -> None:
    signed = []

    def sign(payload: bytes) -> tuple[Signature, ...]:
        signed.append(payload)
        return (Signature(keyid="key", sig="c2ln"),)

    recorded = hub.commit(ENVIRONMENT, following, sign)
    assert recorded is not None
    assert signed == [encode_change(recorded.change)]
    assert hub.current(ENVIRONMENT) == recorded


def test_a_change_that_is_not_wanted_after_all_is_not_recorded(hub: Hub, place: Dictionary) -> None:
    assert hub.commit(ENVIRONMENT, lambda _current: None) is None
    assert not place.objects


def test_whoever_is_second_follows_the_first(place: Dictionary) -> None:
    """Another pusher is quicker between the look and the create."""
    rival = quiet(place)
    rivals = iter("xyz")

    def meanwhile(verb: str, key: str) -> None:
        if verb == "create" and "/changes/" in key and (version := next(rivals, None)):
            push(rival, version)

    recorded = push(quiet(Wrapped(place, before=meanwhile)), "mine")
    assert recorded.change.generation == 4
    assert [one.change.generation for one in rival.history(ENVIRONMENT)] == [1, 2, 3, 4]


def test_whoever_is_never_first_gives_up(place: Dictionary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakbulk.hub.log._TRIES", 5)
    rival = quiet(place)

    def always(verb: str, key: str) -> None:
        if verb == "create" and "/changes/" in key:
            push(rival)

    error = refused(lambda: push(quiet(Wrapped(place, before=always))))
    assert (error.reference, error.exit_code) == ("hub-contended", 78)
    assert rival.last_number(ENVIRONMENT) == 5


def lost(place: Dictionary, *, written: bool) -> Wrapped:
    """A place that loses the answer to the first creation of a change, or the request."""
    losses = iter([True])

    def lose(verb: str, key: str) -> None:
        if verb == "create" and "/changes/" in key and next(losses, None):
            raise NetworkError("the connection was lost", identifier="hub-unreachable")

    return Wrapped(place, after=lose) if written else Wrapped(place, before=lose)


def test_a_change_whose_answer_was_lost_is_recorded_once(place: Dictionary) -> None:
    recorded = push(quiet(lost(place, written=True)), "a")
    assert recorded.change.number == 1
    assert quiet(place).history(ENVIRONMENT) == (recorded,)
    assert place.stat(journal_key(ENVIRONMENT, 1))


def test_a_change_that_never_arrived_is_an_error_and_not_there(place: Dictionary) -> None:
    error = refused(lambda: push(quiet(lost(place, written=False)), "a"))
    assert error.reference == "hub-unreachable"
    assert quiet(place).current(ENVIRONMENT) is None


def test_equal_pushes_at_one_moment_are_two_generations(place: Dictionary) -> None:
    """One sees its create refused and compares: what is there is the other's, though it says the same."""
    rivals = iter("a")

    def meanwhile(verb: str, key: str) -> None:
        if verb == "create" and "/changes/" in key and (version := next(rivals, None)):
            push(quiet(place), version)

    assert push(quiet(Wrapped(place, before=meanwhile)), "a").change.number == 2


def test_what_a_change_refers_to_is_kept_before_the_change_is(place: Dictionary) -> None:
    steps = []

    class Settling(Wrapped):
        def settle(self) -> None:
            steps.append("settle")

    settling = Settling(place, before=lambda verb, key: steps.append(key) if verb == "create" else None)
    push(quiet(settling))
    change = steps.index(change_key(ENVIRONMENT, 1))
    assert steps[change - 1] == steps[change + 1] == "settle"


def test_a_change_is_recorded_though_the_index_cannot_be_written(place: Dictionary) -> None:
    def full(verb: str, key: str) -> None:
        if verb == "create" and key.startswith(("index/", f"environments/{ENVIRONMENT}/digests/")):
            raise HubError("there is no room", identifier="hub-full")

    recorded = push(quiet(Wrapped(place, before=full)), "a")
    assert quiet(place).current(ENVIRONMENT) == recorded


def test_a_new_hub_says_which_layout_it_has(hub: Hub, place: Dictionary) -> None:
    push(hub)
    assert place.get(HUB) == b'{"format":1}'


def test_what_else_a_hub_says_of_itself_is_left_alone(hub: Hub, place: Dictionary) -> None:
    place.create(HUB, b'{"format":1,"require-signatures":false,"motd":"hello"}')
    push(hub)
    assert b"motd" in place.get(HUB)


@pytest.mark.parametrize(("content", "identifier"), [(b'{"format":2}', "hub-newer"), (b"{}", "hub-file-damaged")])
def test_a_layout_that_is_not_known_is_neither_written_nor_misread(
    hub: Hub, place: Dictionary, content: bytes, identifier: str
) -> None:
    place.create(HUB, content)
    assert refused(lambda: push(hub)).reference == identifier
    assert refused(lambda: hub.resolve(parse_reference(ENVIRONMENT))).reference == identifier
    assert hub.last_number(ENVIRONMENT) == 0


def test_a_pusher_who_may_not_say_which_layout_a_hub_has_can_push(place: Dictionary) -> None:
    def denied(verb: str, key: str) -> None:
        if (verb, key) == ("create", HUB):
            raise HubError("the token does not permit it", identifier="token-scope")

    assert push(quiet(Wrapped(place, before=denied))).change.number == 1


PUSHERS = 50


def whole(hub: Hub, recorded: list[int]) -> None:
    """Check that fifty pushers got fifty generations, and that the history has each of them."""
    assert sorted(recorded) == list(range(1, PUSHERS + 1))
    history = hub.history(ENVIRONMENT)
    assert [one.change.generation for one in history] == list(range(1, PUSHERS + 1))
    assert len({one.change.author for one in history}) == PUSHERS


def test_fifty_threads_get_fifty_generations(place: Dictionary) -> None:
    hub = Hub(place)
    begin = threading.Barrier(PUSHERS)

    def pusher(number: int) -> Recorded:
        begin.wait()
        return push(hub, "same", author=f"author-{number}")

    with ThreadPoolExecutor(PUSHERS) as pushers:
        recorded = list(pushers.map(pusher, range(PUSHERS)))
    whole(hub, [one.change.generation for one in recorded])


def committer(address: Path, author: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, COMMITTER, address, author, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.integration
def test_fifty_processes_get_fifty_generations(tmp_path: Path, settings: Settings) -> None:
    committers = [committer(tmp_path / "hub", f"author-{number}", 1) for number in range(PUSHERS)]
    for process in committers:
        assert process.stdin is not None
        process.stdin.close()
    recorded = []
    for process in committers:
        assert process.stdout is not None
        with process:
            recorded.append(int(process.stdout.read()))
    whole(open_hub(settings, str(tmp_path / "hub")), recorded)


def test_whoever_is_killed_takes_nothing_of_others_along(tmp_path: Path, settings: Settings) -> None:
    """Processes push without end and are killed at some moment; everything they printed is in a whole history."""
    hub = open_hub(settings, str(tmp_path / "hub"))
    printed = []
    for round_ in range(3):
        committers = [committer(tmp_path / "hub", f"author-{round_}-{number}", 1000) for number in range(4)]
        for process in committers:
            assert process.stdin is not None
            process.stdin.close()
        for process in committers:
            assert process.stdout is not None
            printed.append(int(process.stdout.readline()))
            process.kill()
        for process in committers:
            assert process.stdout is not None
            with process:
                printed += map(int, process.stdout.read().split("\n")[:-1])
    history = hub.history(ENVIRONMENT)
    assert len(set(printed)) == len(printed)
    assert set(printed) <= {one.change.generation for one in history}
    assert push(hub, "after").change.generation == len(history) + 1
    assert all(hub.lock(one.change) for one in history)
