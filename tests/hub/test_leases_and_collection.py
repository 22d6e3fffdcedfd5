"""A collection of a hub takes what nothing reaches, and nothing else, whoever pushes or dies meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from changes import ENVIRONMENT, blob, locked, push
from places import Wrapped
from stocked import push_with_package, put

from breakbulk.errors import BreakbulkError, HubError, IntegrityError
from breakbulk.hub.backends.directory import DirectoryObjects
from breakbulk.hub.collection import collect_hub
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import COLLECTING, LEASES, change_key, object_key, prepared_key
from breakbulk.hub.leases import Lease, collecting, pushing
from breakbulk.hub.reach import documents, every_archive

NOW = timedelta(0)


def missing(hub: Hub) -> list[str]:
    """Return what generations name and the hub has not."""
    gone = []
    for environment in hub.environments():
        for recorded in hub.history(environment):
            named = [reached.blob.sha256 for reached in documents(recorded.change)]
            named += [each.sha256 for each in recorded.change.archives]
            for system in recorded.change.prepared:
                named += [each.blob.sha256 for each in hub.prepared(recorded.change, system).packages.values()]
            gone += [name for name in named if hub.objects.stat(object_key(name)) is None]
    return gone


def test_what_any_generation_reaches_stays_and_the_rest_goes(hub, settings) -> None:
    for number in range(1, 4):
        push_with_package(hub, str(number), b"%d" % number * 100)
    [archive] = every_archive(locked("1"))
    hub.objects.create(object_key(archive.sha256), b"as a mirror brings it")
    litter = [put(hub, b"litter 1"), put(hub, b"litter 2")]
    pointer = prepared_key("k-old-1", "b" * 64)
    hub.objects.create(pointer, msgspec.json.encode(blob(b"litter 1")))
    planned = collect_hub(hub, settings, grace=NOW, dry_run=True)
    assert all(hub.objects.stat(key) for key in litter)
    done = collect_hub(hub, settings, grace=NOW)
    assert (planned.removed, planned.size) == (done.removed, done.size) == (2, 16)
    assert (done.environments, done.generations, done.pointers) == (1, 3, 1)
    assert not any(hub.objects.stat(key) for key in (*litter, pointer, COLLECTING))
    assert missing(hub) == []
    assert hub.objects.stat(object_key(archive.sha256)) is not None


def test_what_is_young_stays_by_the_clock_of_the_place(hub, place, settings) -> None:
    push(hub)
    key = put(hub, b"litter")
    assert collect_hub(hub, settings, grace=timedelta(hours=1)).young == 1
    place.now += timedelta(hours=2)
    assert collect_hub(hub, settings, grace=timedelta(hours=1)).removed == 1
    assert hub.objects.stat(key) is None


def test_what_a_push_at_work_names_or_has_written_stays(hub, place, settings) -> None:
    push(hub)
    named, litter = put(hub, b"named"), put(hub, b"litter")
    place.now += timedelta(minutes=1)
    with pushing(hub.objects, [named], pause=lambda _: None):
        written = put(hub, b"written by the push")
        assert collect_hub(hub, settings, grace=NOW).removed == 1
        assert [hub.objects.stat(key) is not None for key in (named, written, litter)] == [True, True, False]
    assert collect_hub(hub, settings, grace=NOW).removed == 2


def test_a_push_that_begins_meanwhile_waits_and_one_that_died_counts_for_a_while(hub, place, settings) -> None:
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        hub.objects.delete([COLLECTING])

    with collecting(hub.objects), pushing(hub.objects, [], pause=pause):
        assert len(pauses) == 1
    hub.objects.replace(LEASES + "dead", msgspec.json.encode(Lease(keys=(object_key("a" * 64),))))
    with collecting(hub.objects) as marker:
        assert marker.leases().keys == {object_key("a" * 64)}
    place.now += timedelta(minutes=20)
    with collecting(hub.objects) as marker:
        assert marker.leases().keys == frozenset()
    assert not list(hub.objects.list(LEASES))


def test_there_is_one_collection_at_a_time_and_a_dead_one_is_replaced(hub, place, settings) -> None:
    hub.objects.create(COLLECTING, b"of somebody who was killed")
    with pytest.raises(HubError) as raised:
        collect_hub(hub, settings)
    assert raised.value.reference == "collection-running"
    place.now += timedelta(minutes=4)
    with collecting(hub.objects) as marker:
        marker.check()
        place.replace(COLLECTING, b"of somebody who took us for dead")
        with pytest.raises(HubError) as lost:
            marker.check()
        assert lost.value.reference == "collection-lost"
    assert hub.objects.get(COLLECTING) == b"of somebody who took us for dead"


def test_nothing_is_removed_once_the_marker_is_lost(hub, place, settings) -> None:
    push(hub)
    key = put(hub, b"litter")

    def steal(verb: str, key: str) -> None:
        if (verb, key) == ("list", "objects/"):
            place.replace(COLLECTING, b"another")

    with pytest.raises(HubError):
        collect_hub(Hub(Wrapped(place, steal)), settings, grace=NOW)
    assert hub.objects.stat(key) is not None


@pytest.mark.parametrize("what", ["change", "lock", "list", "lease"])
def test_where_something_is_damaged_nothing_is_removed(hub, place, settings, what: str) -> None:
    change = push_with_package(hub, "1", b"data" * 99).change
    key = put(hub, b"litter")
    damaged = {
        "change": change_key(ENVIRONMENT, 1),
        "lock": object_key(change.lock.sha256),
        "list": object_key(change.prepared["x86_64-linux"].sha256),
        "lease": LEASES + "damaged",
    }[what]
    place.replace(damaged, b"{")
    with pytest.raises((HubError, IntegrityError)) as raised:
        collect_hub(hub, settings, grace=NOW)
    assert damaged in str(raised.value)
    assert hub.objects.stat(key) is not None
    assert hub.objects.stat(COLLECTING) is None


def test_a_list_that_is_lost_keeps_nobody_from_collecting(hub, place, settings) -> None:
    change = push_with_package(hub, "1", b"data" * 99).change
    hub.objects.delete([object_key(change.prepared["x86_64-linux"].sha256)])
    assert collect_hub(hub, settings, grace=NOW).removed == 1


def test_ten_pushers_and_a_collection_that_never_rests_lose_nothing(tmp_path: Path, settings) -> None:
    hub = Hub(DirectoryObjects(tmp_path / "hub"), pause=time.sleep)
    deadline, errors = time.monotonic() + 6, []

    def work(number: int) -> None:
        own = Hub(DirectoryObjects(tmp_path / "hub"))
        turn = 0
        try:
            while time.monotonic() < deadline:
                aged(put(own, b"litter %d" % time.time_ns()))
                data = b"shared %d" % (turn % 5) * 50
                push_with_package(own, f"{number}.{turn}", data, environment=f"ada/e{number}")
                turn += 1
        except BreakbulkError as error:
            errors.append(error)

    def aged(key: str) -> None:
        os.utime(tmp_path / "hub" / key, (time.time() - 60, time.time() - 60))

    for number in range(5):
        aged(put(hub, b"shared %d" % number * 50))  # nobody needs these yet
    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    rounds = removed = 0
    while time.monotonic() < deadline:
        removed += collect_hub(hub, settings, grace=NOW).removed
        rounds += 1
    for thread in threads:
        thread.join()
    assert errors == []
    assert rounds > 1
    assert removed
    assert missing(hub) == []


KILLED = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from breakbulk.hub.collection import collect_hub
from breakbulk.hub.opening import open_hub
from breakbulk.settings import Settings
from breakbulk.store import milestones
milestones.observe(lambda name: name == sys.argv[2] and os.kill(os.getpid(), signal.SIGKILL))
settings = Settings.load(os.environ)
collect_hub(open_hub(settings, sys.argv[1]), settings, grace=timedelta(0))
"""


@pytest.mark.integration
@pytest.mark.parametrize("moment", ["collection-marked", "collection-reached", "collection-batch-removed"])
def test_a_collection_killed_anywhere_leaves_a_whole_hub_that_pushes_go_on_with(
    tmp_path: Path, settings, moment: str
) -> None:
    hub = Hub(DirectoryObjects(tmp_path / "hub"))
    push_with_package(hub, "1", b"data" * 99)
    put(hub, b"litter")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "hub"), moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert missing(hub) == []
    marker = tmp_path / "hub" / COLLECTING
    os.utime(marker, (time.time() - 200, time.time() - 200))  # three minutes later
    push_with_package(hub, "2", b"more" * 99)
    assert collect_hub(hub, settings, grace=NOW).removed == (moment != "collection-batch-removed")
    assert missing(hub) == []
    assert not marker.exists()
