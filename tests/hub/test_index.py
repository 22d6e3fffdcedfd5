import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from changes import ENVIRONMENT, TIME, authorship, push
from hypothesis import given
from hypothesis import strategies as st
from places import Dictionary, Wrapped
from s3_server import S3Server

from breakbulk.errors import BreakbulkError, HubError
from breakbulk.hub import index
from breakbulk.hub.backends import open_objects
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import INDEX, JOURNAL, SNAPSHOTS, journal_key, snapshot_key
from breakbulk.hub.names import parse_reference
from breakbulk.hub.opening import open_hub
from breakbulk.hub.records import Summary
from breakbulk.hub.reindexing import rebuild
from breakbulk.hub.switching import rollback, switch
from breakbulk.settings import Settings

KILLED_PUSHER = Path(__file__).parent / "support" / "killed_pusher.py"
STEPS = ["index-journal-written", "index-snapshot-written", "index-journal-removed"]


def summary(name: str = "tickets", change: int = 1, **fields: object) -> Summary:
    values = {
        "generation": change,
        "generations": change,
        "digest": "sha256:" + "0" * 64,
        "time": TIME,
        "author": "ada",
    }
    return Summary(environment=f"ada/{name}", change=change, **(values | fields))  # type: ignore[arg-type]


def fill(place: Dictionary | Wrapped, entries: int, prefix: str = "e") -> list[Summary]:
    """Record so many environments."""
    recorded = [summary(f"{prefix}{number:04d}") for number in range(entries)]
    for one in recorded:
        index.record(place, one)
    return recorded


def journal(place: Dictionary) -> list[str]:
    return [key for key in place.objects if key.startswith(JOURNAL)]


def snapshots(place: Dictionary) -> list[str]:
    return sorted(key for key in place.objects if key.startswith(SNAPSHOTS))


def test_an_empty_hub_has_an_empty_index(place: Dictionary) -> None:
    assert index.read(place) == ()


def test_a_push_and_a_switch_are_in_the_index(hub: Hub) -> None:
    push(hub, "a", message="first", installs=("jq",), packages=1)
    push(hub, "b")
    push(hub, environment="ada/other")
    (other, tickets) = index.read(hub.objects)
    assert (other.environment, tickets.environment) == ("ada/other", ENVIRONMENT)
    assert (tickets.generation, tickets.generations, tickets.change) == (2, 2, 2)
    switch(hub, parse_reference(f"{ENVIRONMENT}:1"), authorship("back"))
    tickets = index.read(hub.objects)[1]
    assert (tickets.generation, tickets.generations, tickets.change) == (1, 2, 3)
    assert (tickets.message, tickets.installs, tickets.packages) == ("first", ("jq",), 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=12), st.randoms())
def test_the_order_of_summaries_does_not_matter(given_: list[tuple[str, int]], random: object) -> None:
    summaries = [summary(*one) for one in given_]
    shuffled = summaries.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = index.merged(shuffled)
    assert found == index.merged(summaries) == index.merged([*found, *summaries])
    assert {one.environment.removeprefix("ada/"): one.change for one in found} == {
        name: max(change for other, change in given_ if other == name) for name, _ in given_
    }


def test_a_long_journal_becomes_a_snapshot_and_little_is_kept(place: Dictionary) -> None:
    recorded = fill(place, 200)
    assert index.read(place) == tuple(recorded)
    assert len(journal(place)) <= index.JOURNAL_MAX
    assert snapshots(place) == [snapshot_key(2), snapshot_key(3)]


@pytest.mark.parametrize("environments", [10, 1000])
def test_the_requests_do_not_grow_with_the_environments(place: Dictionary, environments: int) -> None:
    index.publish(place, index.listed(place), [summary(f"e{number:05d}") for number in range(environments)])
    fill(place, 5, "later")
    counting = Wrapped(place)
    assert len(index.read(counting)) == environments + 5
    assert counting.requests == {"list": 2, "get": 1 + 5}
    fill(place, index.JOURNAL_MAX - 5, "more")
    counting.requests.clear()
    index.read(counting)
    assert counting.requests == {"list": 2, "get": 1 + index.JOURNAL_MAX}


@pytest.mark.integration
def test_on_s3_a_catalogue_costs_the_same_requests_however_large(s3_server: S3Server, settings: Settings) -> None:
    """Ten environments, and ten thousand: list and search, show, history of as many changes, rollback."""
    asked = []
    for environments in (10, 10_000):
        place = open_objects(f"s3://{s3_server.new_bucket()}", s3_server.settings(settings))
        index.publish(place, index.listed(place), [summary(f"e{number:05d}") for number in range(environments)])
        for version in "ab":
            push(Hub(place), version)
        counting = Wrapped(place)
        hub = Hub(counting)
        assert len(index.read(counting)) == environments + 1
        asked.append([dict(counting.requests)])
        for work in (
            lambda hub=hub: hub.lock(hub.resolve(parse_reference(f"{ENVIRONMENT}:1")).change),
            lambda hub=hub: hub.history(ENVIRONMENT),
            lambda hub=hub: rollback(hub, ENVIRONMENT, authorship()),
        ):
            counting.requests.clear()
            work()
            asked[-1].append(dict(counting.requests))
        place.close()
    assert asked[0] == asked[1]
    listing, showing, history, _ = asked[0]
    assert listing == {"list": 2, "get": 3}
    assert showing == {"list": 1, "get": 3}
    assert history == {"list": 1, "get": 2}


def test_recording_asks_little(place: Dictionary) -> None:
    counting = Wrapped(place)
    index.record(counting, summary())
    assert counting.requests == {"create": 1, "list": 1}


@pytest.mark.parametrize("request_", range(1, 8))
def test_a_reader_overtaken_by_a_snapshot_misses_nothing(place: Dictionary, request_: int) -> None:
    """Before one of the reader's requests the journal is taken into a snapshot, twice."""
    recorded = fill(place, 40)
    requests = iter(range(1, 1000))

    def overtake(_verb: str, _key: str) -> None:
        if next(requests) == request_:
            index.compact(place)
            index.record(place, recorded[0])
            index.compact(place)

    assert index.read(Wrapped(place, before=overtake)) == tuple(recorded)


def test_a_reader_that_is_overtaken_for_ever_gives_up(place: Dictionary) -> None:
    fill(place, 3)

    def spoil(verb: str, key: str) -> None:
        if verb == "get":
            place.delete([key])
        else:
            fill(place, 3)

    spoilt = Wrapped(place, before=spoil)
    with pytest.raises(HubError) as error:
        index.read(spoilt)
    assert error.value.reference == "hub-contended"


def test_of_two_snapshots_at_once_one_is_written_and_nothing_is_lost(place: Dictionary) -> None:
    recorded = fill(place, 30)
    late: list[Summary] = []

    def rival(verb: str, key: str) -> None:
        if verb == "create" and key == snapshot_key(1) and not late:
            late.append(summary("late"))
            index.record(place, late[0])  # after this one listed, before the rival lists
            assert index.compact(place)

    assert not index.compact(Wrapped(place, before=rival))
    assert index.read(place) == index.merged([*recorded, *late])


def test_a_writer_so_late_that_its_number_is_free_again_removes_nothing(place: Dictionary) -> None:
    fill(place, 10)
    found = index.listed(place)
    early = index.read(place)
    for number in range(3):
        fill(place, 1, f"later{number}-")
        assert index.compact(place)
    assert snapshot_key(1) not in place.objects
    index.record(place, summary("e0000", 1))  # an entry that it took in lies there again
    assert index.publish(place, found, early)
    assert journal_key("ada/e0000", 1) in place.objects
    assert len(index.read(place)) == 13


def test_many_at_once_lose_nothing(place: Dictionary) -> None:
    def recorder(number: int) -> tuple[Summary, ...]:
        fill(place, 60, f"t{number}-")
        return index.read(place)

    with ThreadPoolExecutor(8) as recorders:
        seen = list(recorders.map(recorder, range(8)))
    assert len(index.read(place)) == 8 * 60
    for number, summaries in enumerate(seen):  # everybody sees at once what they wrote
        assert sum(one.environment.startswith(f"ada/t{number}-") for one in summaries) == 60


def test_readers_never_see_less_than_before(place: Dictionary) -> None:
    finished = threading.Event()

    def reader() -> list[int]:
        counts = [0]
        while not finished.is_set():
            counts.append(len(index.read(place)))
        return counts

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(reader) for _ in range(3)]
        fill(place, 500)
        finished.set()
        for counts in (one.result() for one in readers):
            assert counts == sorted(counts)


@pytest.mark.parametrize("step", STEPS)
def test_whoever_is_killed_while_writing_the_index_loses_nothing(step: str, tmp_path: Path, settings: Settings) -> None:
    hub = open_hub(settings, str(tmp_path / "hub"))
    for number in range(index.JOURNAL_MAX):
        hub.objects.create(journal_key(f"ada/e{number:04d}", 1), msgspec.json.encode(summary(f"e{number:04d}")))
    killed = subprocess.run([sys.executable, KILLED_PUSHER, tmp_path / "hub", "ada/last", step], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(index.read(hub.objects)) == index.JOURNAL_MAX + 1
    index.record(hub.objects, summary("after"))
    assert len(index.read(hub.objects)) == index.JOURNAL_MAX + 2
    assert len(list(hub.objects.list(JOURNAL))) <= index.JOURNAL_MAX


def test_whoever_is_killed_before_the_index_knows_has_pushed_all_the_same(tmp_path: Path, settings: Settings) -> None:
    hub = open_hub(settings, str(tmp_path / "hub"))
    push(hub, "first")
    killed = subprocess.run(
        [sys.executable, KILLED_PUSHER, tmp_path / "hub", ENVIRONMENT, "change-created"], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert hub.resolve(parse_reference(ENVIRONMENT)).change.generation == 2
    assert hub.lock(hub.resolve(parse_reference(f"{ENVIRONMENT}:2")).change)
    assert [one.generation for one in index.read(hub.objects)] == [1]
    assert [one.generation for one in rebuild(hub)] == [2]
    assert rollback(hub, ENVIRONMENT, authorship()).change.generation == 1
    assert [one.change for one in index.read(hub.objects)] == [3]
    assert len(hub.history(ENVIRONMENT)) == 3


def damage(place: Dictionary, how: str) -> str:
    """Spoil the newest snapshot or an entry; return its key."""
    fill(place, 100)
    key = snapshots(place)[-1] if "snapshot" in how else journal(place)[-1]
    data = place.get(key)
    place.replace(
        key,
        {
            "a snapshot cut off": data[:-10],
            "a snapshot of rubbish": b"rubbish",
            "a snapshot that lies of its size": b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8,
            "an entry cut off": data[:-1],
            "an entry of another environment": msgspec.json.encode(summary("other")),
        }[how],
    )
    return key


@pytest.mark.parametrize(
    "how",
    [
        "a snapshot cut off",
        "a snapshot of rubbish",
        "a snapshot that lies of its size",
        "an entry cut off",
        "an entry of another environment",
    ],
)
def test_a_damaged_index_says_so_and_is_no_obstacle_to_pushes(place: Dictionary, hub: Hub, how: str) -> None:
    key = damage(place, how)
    with pytest.raises(BreakbulkError) as error:
        index.read(place)
    assert error.value.reference == "index-damaged"
    assert error.value.where == f"{place.url}/{key}"
    for number in range(70):
        push(hub, environment=f"ada/p{number}")


@pytest.fixture
def pushed(hub: Hub) -> Hub:
    """A hub with environments whose index is complete."""
    for number in range(3):
        for version in "ab":
            push(hub, version, environment=f"ada/e{number}")
    return hub


@pytest.mark.parametrize("spoil", ["lost", "damaged", "forged"])
def test_the_index_is_made_anew_from_the_environments(pushed: Hub, place: Dictionary, spoil: str) -> None:
    expected = index.read(place)
    if spoil == "lost":
        place.delete([key for key in place.objects if key.startswith(INDEX)])
    else:
        index.compact(place)
        forged = place.get(snapshot_key(1)) if spoil == "damaged" else b""
        place.replace(snapshot_key(1), forged[:-5] or _snapshot([summary("never-pushed"), summary("e1", 99)]))
    assert rebuild(pushed) == expected
    assert index.read(place) == expected


def _snapshot(summaries: list[Summary]) -> bytes:
    other = Dictionary()
    index.publish(other, index.listed(other), summaries)
    return other.get(snapshot_key(1))


def test_what_is_pushed_while_the_index_is_made_anew_is_in_it(pushed: Hub, place: Dictionary) -> None:
    """Another one pushes, and takes the journal into a snapshot, after the environments were listed."""
    late = iter(["ada/late"])

    def meanwhile(verb: str, key: str) -> None:
        if verb == "list" and key == "environments/" and (name := next(late, None)):
            push(Hub(place), environment=name)
            index.compact(place)

    rebuild(Hub(Wrapped(place, after=meanwhile)))
    assert [one.environment for one in index.read(place)] == ["ada/e0", "ada/e1", "ada/e2", "ada/late"]


def test_what_is_no_environment_is_not_in_the_index(pushed: Hub, place: Dictionary) -> None:
    for key in ("environments/ada/e0/changes/junk", "environments/UPPER/x/changes/00000001", "environments/x"):
        place.create(key, b"junk")
    assert len(rebuild(pushed)) == 3
