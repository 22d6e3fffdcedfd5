"""A log on a hub: every writer gets a number, whatever becomes of the answers; no entry is ever replaced."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from places import Dictionary, Wrapped

from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.hub.layout import HUB
from breakbulk.hub.log import Log, last_numbers

PREFIX = "packages/ada/tool/changes/"


def log_in(objects: Dictionary | Wrapped) -> Log:
    return Log(objects, PREFIX, "ada/tool", pause=lambda _seconds: None)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(BreakbulkError) as error:
        work()
    return error.value.reference


def test_entries_are_numbered_and_each_is_made_after_the_one_before(place: Dictionary) -> None:
    log = log_in(place)
    entries = [log.append(lambda last: b"after %d" % last) for _ in range(3)]
    assert [(entry.number, entry.data) for entry in entries if entry] == [
        (1, b"after 0"),
        (2, b"after 1"),
        (3, b"after 2"),
    ]
    assert (sorted(log.numbers()), log.last_number()) == ([1, 2, 3], 3)
    assert place.get(log.key(2)) == b"after 1"


def test_what_is_no_entry_does_not_count(place: Dictionary) -> None:
    for name in ("2", "000000002", "٠٠٠٠٠٠٠٢", "00000002.tmp", "-0000002", "00000003/00000004"):
        place.create(PREFIX + name, b"")
    assert log_in(place).numbers() == []


def test_who_writes_nothing_leaves_nothing(place: Dictionary) -> None:
    assert log_in(place).append(lambda _last: None) is None
    assert not place.objects


def test_thirty_writers_get_thirty_numbers(place: Dictionary) -> None:
    with ThreadPoolExecutor(30) as writers:
        entries = list(writers.map(lambda number: Log(place, PREFIX, "").append(lambda _: b"%d" % number), range(30)))
    assert sorted(entry.number for entry in entries if entry) == list(range(1, 31))
    assert {place.get(entry_key) for entry_key in place.objects if entry_key.startswith(PREFIX)} == {
        b"%d" % number for number in range(30)
    }


def test_who_is_never_first_gives_up(place: Dictionary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakbulk.hub.log._TRIES", 5)
    made = []

    def always(verb: str, key: str) -> None:
        if verb == "create" and key.startswith(PREFIX):
            place.create(key, b"theirs")

    def make(last: int) -> bytes:
        made.append(last)
        return b"ours"

    assert refused(lambda: log_in(Wrapped(place, before=always)).append(make)) == "hub-contended"
    assert made == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_answer_is_told_from_a_lost_request(place: Dictionary, arrived: bool) -> None:
    losses = iter([True])

    def lose(verb: str, key: str) -> None:
        if verb == "create" and key.startswith(PREFIX) and next(losses, False):
            raise NetworkError("the connection was lost", identifier="hub-unreachable")

    log = log_in(Wrapped(place, after=lose) if arrived else Wrapped(place, before=lose))
    if arrived:
        assert log.append(lambda _last: b"ours") is not None
    else:
        assert refused(lambda: log.append(lambda _last: b"ours")) == "hub-unreachable"
    assert log.numbers() == ([1] if arrived else [])


@pytest.mark.parametrize("theirs", [b"ours", b"OURS", b"theirs, which is longer"])
def test_bytes_tell_whose_entry_is_there(place: Dictionary, theirs: bytes) -> None:
    place.create(PREFIX + "00000001", theirs)
    counted = Wrapped(place)
    assert log_in(counted).create(1, b"ours") is (theirs == b"ours")
    assert counted.requests["get"] == (len(theirs) == 4)


def test_what_an_entry_refers_to_is_on_the_disk_before_it(place: Dictionary) -> None:
    steps: list[str] = []

    class Settling(Wrapped):
        def settle(self) -> None:
            steps.append("settle")

    log = log_in(Settling(place, before=lambda verb, key: steps.append(key) if verb == "create" else None))
    log.append(lambda _last: b"entry")
    assert steps == [HUB, "settle", log.key(1), "settle"]


@pytest.mark.parametrize(("content", "identifier"), [(b'{"format":9}', "hub-newer"), (b"{}", "hub-file-damaged")])
def test_a_layout_that_is_not_known_is_not_written_to(place: Dictionary, content: bytes, identifier: str) -> None:
    place.create(HUB, content)
    assert refused(lambda: log_in(place).append(lambda _last: b"entry")) == identifier
    assert list(place.objects) == [HUB]


def test_the_newest_of_every_log(place: Dictionary) -> None:
    for name, number in (("ada/tool", 1), ("ada/tool", 12), ("bob/it", 3), ("Bob/it", 4), ("x", 5)):
        place.create(f"packages/{name}/changes/{number:08d}", b"")
    assert last_numbers(place, "packages/") == {"ada/tool": 12, "bob/it": 3}
