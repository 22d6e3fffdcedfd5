"""What was seen only ever moves forwards, whoever looks at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from changes import ENVIRONMENT, push

from breakbulk.hub.hub import Hub
from breakbulk.hub.seen import Histories, Sighting


def test_many_at_once_remember_the_newest(hub: Hub, tmp_path: Path) -> None:
    recorded = [push(hub, str(version)) for version in range(12)]

    def look(number: int) -> None:
        Histories(tmp_path, hub.url).remember(ENVIRONMENT, Sighting.of(recorded[number % 12]))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(look, range(0, 120, 7)))
    seen = Histories(tmp_path, hub.url).last(ENVIRONMENT)
    assert seen is not None
    assert (seen.number, seen.sha256) == (12, recorded[11].sha256)


def test_a_change_of_the_same_number_does_not_replace_what_was_seen(hub: Hub, tmp_path: Path) -> None:
    recorded = push(hub, "a")
    histories = Histories(tmp_path, hub.url)
    histories.remember(ENVIRONMENT, Sighting.of(recorded))
    histories.remember(ENVIRONMENT, msgspec.structs.replace(Sighting.of(recorded), sha256="0" * 64))
    seen = histories.last(ENVIRONMENT)
    assert seen is not None
    assert seen.sha256 == recorded.sha256


def test_hubs_do_not_share_it(hub: Hub, tmp_path: Path) -> None:
    Histories(tmp_path, "s3://one").remember(ENVIRONMENT, Sighting.of(push(hub, "a")))
    assert Histories(tmp_path, "s3://two").last(ENVIRONMENT) is None


def test_an_environment_and_a_package_of_one_name_are_two(tmp_path: Path) -> None:
    environments, packages = Histories(tmp_path, "s3://one"), Histories(tmp_path, "s3://one", "packages")
    packages.remember(ENVIRONMENT, Sighting(number=7, sha256="a" * 64))
    assert environments.last(ENVIRONMENT) is None
    assert packages.last(ENVIRONMENT) == Sighting(number=7, sha256="a" * 64)
