"""Copies of environments on another hub: the same bytes, nothing twice, and never over another history."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from changes import ENVIRONMENT, authorship, blob, following, locked, push
from places import Dictionary, Wrapped

from breakbulk.ecosystems.hub.catalogue import Artifact, Release
from breakbulk.ecosystems.interface import Location
from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NetworkError
from breakbulk.hub import index
from breakbulk.hub.checking import check_hub
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import OBJECTS, object_key, publication_key
from breakbulk.hub.mirror import mirror
from breakbulk.hub.names import parse_reference
from breakbulk.hub.packages import Publication, PublishedPackages, Source
from breakbulk.hub.policy import HubPolicy, write_policy
from breakbulk.hub.records import PreparedPackage, PreparedSet
from breakbulk.lock.model import Package
from breakbulk.reporting import SILENT, Task
from breakbulk.settings import Settings

NAME = parse_reference(ENVIRONMENT)


class Index:
    """An ecosystem whose archives are files; a lock of `changes.locked` names the archive `version`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __getitem__(self, _name: str) -> "Index":
        return self

    def locate(self, package, install, settings):
        yield Location(path=self.directory / package.version)


@pytest.fixture
def elsewhere() -> Hub:
    """The hub that is copied to."""
    place = Dictionary()
    place.url = "memory://elsewhere"
    return Hub(place, pause=lambda _seconds: None)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, cache=tmp_path / "cache", retries=1)


def push_with_package(hub: Hub, version: str, data: bytes):
    """Push a generation that has one prepared package and one archive of its own."""
    packages = PreparedSet(packages={"k-jq-1": PreparedPackage(blob=blob(data), tree="a" * 64, size=10)})
    listed, archive = msgspec.json.encode(packages), b"own source " + version.encode()
    for content in (data, listed, archive):
        hub.objects.create(object_key(blob(content).sha256), content)
    return push(hub, version, prepared={"x86_64-linux": blob(listed)}, archives=(blob(archive),))


def copy(hub: Hub, elsewhere: Hub, settings: Settings, *names: str, ecosystems=None, **options):
    references = [parse_reference(name) for name in names] or [NAME]
    return mirror(hub, elsewhere, references, settings, ecosystems or {}, **options)


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, title: str, **about: Any) -> Task:
        return SILENT.begin(title, **about)

    def note(self, message: str) -> None:
        self.notes.append(message)


def releases(hub: Hub) -> list[Release]:
    return [each.publication.release for each in PublishedPackages(hub.objects).history("bob/tool")]


def records(hub: Hub) -> dict[str, bytes]:
    place = hub.objects
    assert isinstance(place, Dictionary)
    return {key: data for key, (data, _) in place.objects.items() if "/changes/" in key or "/digests/" in key}


def test_a_history_is_copied_byte_for_byte_and_found_as_any_other(hub, elsewhere, settings) -> None:
    for version in ("1", "2", "3"):
        push_with_package(hub, version, version.encode() * 100)
    [one] = copy(hub, elsewhere, settings)
    assert (one.changes, one.new_changes, one.generations) == (3, 3, (3,))
    assert records(elsewhere) == records(hub)
    assert [summary.environment for summary in index.read(elsewhere.objects)] == [ENVIRONMENT]
    assert not list(elsewhere.objects.list("leases/"))


def test_packages_come_of_the_generation_that_is_meant_or_of_all(hub, elsewhere, settings) -> None:
    contents = [version.encode() * 100 for version in ("1", "2", "3")]
    for number, content in enumerate(contents, 1):
        push_with_package(hub, str(number), content)

    def there() -> list[bool]:
        return [elsewhere.objects.stat(object_key(blob(content).sha256)) is not None for content in contents]

    copy(hub, elsewhere, settings, f"{ENVIRONMENT}:2")
    assert there() == [False, True, False]
    copy(hub, elsewhere, settings)
    assert there() == [False, True, True]
    copy(hub, elsewhere, settings, all_generations=True)
    assert there() == [True, True, True]


def test_generations_whose_packages_stay_behind_are_told_from_damage(hub, elsewhere, settings) -> None:
    for version in ("1", "2", "3"):
        push_with_package(hub, version, version.encode() * 100)
    copy(hub, elsewhere, settings, f"{ENVIRONMENT}:2")
    assert (check_hub(elsewhere, settings).faults, check_hub(elsewhere, settings).elsewhere) == ((), 2)
    copy(hub, elsewhere, settings)
    assert check_hub(elsewhere, settings, deep=True).elsewhere == 1
    elsewhere.objects.delete([object_key(blob(b"3" * 100).sha256)])
    [fault] = check_hub(elsewhere, settings).faults
    assert fault.where == f"{ENVIRONMENT}, generation 3"
    copy(hub, elsewhere, settings, all_generations=True)
    assert (check_hub(elsewhere, settings).faults, check_hub(elsewhere, settings).elsewhere) == ((), 0)


def test_what_stays_behind_may_be_absent_but_not_damaged(hub, elsewhere, settings) -> None:
    for version in ("1", "2"):
        push_with_package(hub, version, version.encode() * 100)
    copy(hub, elsewhere, settings)
    elsewhere.objects.create(object_key(blob(b"1" * 100).sha256), b"1")
    [fault] = check_hub(elsewhere, settings).faults
    assert (fault.where, "has 1 bytes, not 100" in fault.what) == (f"{ENVIRONMENT}, generation 1", True)


def test_what_is_pushed_to_a_mirror_later_is_looked_at_whole(hub, elsewhere, settings) -> None:
    for version in ("1", "2"):
        push_with_package(hub, version, version.encode() * 100)
    copy(hub, elsewhere, settings)
    push_with_package(elsewhere, "3", b"3" * 100)
    elsewhere.objects.delete([object_key(blob(b"3" * 100).sha256)])
    [fault] = check_hub(elsewhere, settings).faults
    assert fault.where == f"{ENVIRONMENT}, generation 3"


def release(package: str, version: str, **runtime: object) -> tuple[Release, bytes]:
    """Return a release, and its archive."""
    archive = f"{package} {version}".encode()
    artifact = Artifact(
        system="x86_64-linux",
        file="f.tar",
        sha256=blob(archive).sha256,
        size=len(archive),
        tree="1" * 64,
        destination="/opt/x",
    )
    return Release(package=package, version=version, artifacts=(artifact,), runtime=dict(runtime)), archive


def publish(hub: Hub, package: str, version: str, **runtime: object) -> Package:
    """Publish a release; return it as it is locked."""
    published, archive = release(package, version, **runtime)
    hub.objects.create(object_key(blob(archive).sha256), archive)
    blank = Publication(
        package=package,
        number=1,
        release=published,
        source=Source(tree="2" * 64),
        author="",
        host="",
        command="",
        time=authorship().time,
    )
    PublishedPackages(hub.objects).commit(package, lambda before: blank.following(before, authorship()))
    return msgspec.structs.replace(
        locked().systems["x86_64-linux"].packages[0],
        ecosystem="hub",
        name=package.partition("/")[2],
        version=version,
        sha256=blob(archive).sha256,
        size=len(archive),
        purl=f"pkg:generic/{package}@{version}",
    )


def push_with_published(hub: Hub, *packages: Package) -> None:
    lock = locked()
    system = msgspec.structs.replace(lock.systems["x86_64-linux"], packages=packages)
    push(hub, lock=msgspec.structs.replace(lock, systems={"x86_64-linux": system}))


def test_published_packages_come_with_their_history_and_what_they_need(hub, elsewhere, settings) -> None:
    tool = publish(hub, "bob/tool", "1.0")
    publish(hub, "bob/tool", "1.1", library={"pkg-path": "bob/library"}, jq={"deb": "jq"})
    publish(hub, "bob/library", "3")
    publish(hub, "bob/other", "7")
    push_with_published(hub, tool)
    [one] = copy(hub, elsewhere, settings)
    assert one.packages == ("bob/library", "bob/tool")
    here, there = PublishedPackages(hub.objects), PublishedPackages(elsewhere.objects)
    assert there.names() == {"bob/library": 1, "bob/tool": 2}
    assert there.history("bob/tool") == here.history("bob/tool")
    assert check_hub(elsewhere, settings, deep=True).faults == ()
    [again] = copy(hub, elsewhere, settings)
    assert (again.objects_sent, again.packages) == (0, one.packages)
    publish(hub, "bob/tool", "1.2")
    copy(hub, elsewhere, settings)
    assert there.names()["bob/tool"] == 3


def test_a_package_that_the_source_does_not_know_is_no_hindrance(hub, elsewhere, settings) -> None:
    tool = publish(hub, "bob/tool", "1.0")
    hub.objects.delete([publication_key("bob/tool", 1)])
    push_with_published(hub, tool)
    [one] = copy(hub, elsewhere, settings)
    assert one.packages == ()
    assert elsewhere.objects.stat(object_key(tool.sha256)) is not None


def test_a_package_with_another_history_there_is_left_alone(hub, elsewhere, settings) -> None:
    tool = publish(hub, "bob/tool", "1.0")
    publish(elsewhere, "bob/tool", "0.9")
    push_with_published(hub, tool)
    notes = Notes()
    [one] = copy(hub, elsewhere, settings, reporter=notes)
    assert (one.new_changes, one.packages) == (1, ())
    assert [release.version for release in releases(elsewhere)] == ["0.9"]
    assert notes.notes == ["the package bob/tool has another history there: it is left as it is"]


def test_a_hub_that_wants_signatures_gets_no_unsigned_package(hub, elsewhere, settings) -> None:
    push_with_published(hub, publish(hub, "bob/tool", "1.0"))
    write_policy(elsewhere.objects, HubPolicy(require_signatures=True))
    with pytest.raises(HubError) as raised:
        copy(hub, elsewhere, settings)
    assert raised.value.reference == "hub-requires-signatures"
    assert PublishedPackages(elsewhere.objects).names() == {}


def test_nothing_is_sent_twice_and_what_was_cut_short_goes_on(hub, elsewhere, settings) -> None:
    push_with_package(hub, "1", b"a" * 1000)
    left = [3]

    def fail(verb: str, key: str) -> None:
        if verb == "create" and key.startswith(OBJECTS):
            left[0] -= 1
            if not left[0]:
                raise NetworkError("gone", identifier="hub-unreachable")

    faulty = Hub(Wrapped(elsewhere.objects, fail), pause=lambda _seconds: None)
    with pytest.raises(NetworkError):
        copy(hub, faulty, replace(settings, downloads=1))
    assert not records(elsewhere)
    [one] = copy(hub, elsewhere, settings)
    assert one.objects_sent == one.objects - 2
    [again] = copy(hub, elsewhere, settings)
    assert (again.new_changes, again.objects_sent, again.bytes_sent) == (0, 0, 0)


def test_a_damaged_object_is_never_copied_and_named(hub, place, elsewhere, settings) -> None:
    push_with_package(hub, "1", b"a" * 1000)
    key = object_key(blob(b"a" * 1000).sha256)
    place.objects[key] = (b"b" * 1000, place.now)
    with pytest.raises(IntegrityError) as raised:
        copy(hub, elsewhere, settings)
    assert key in str(raised.value)
    assert ENVIRONMENT in str(raised.value)
    assert elsewhere.objects.stat(key) is None
    assert not records(elsewhere)


def test_another_history_is_left_alone_and_a_longer_one_is_no_other(hub, elsewhere, settings) -> None:
    push(hub, "1")
    copy(hub, elsewhere, settings)
    push(elsewhere, "2")
    [one] = copy(hub, elsewhere, settings)
    assert (one.new_changes, elsewhere.last_number(ENVIRONMENT)) == (0, 2)
    push(hub, "3")
    before = records(elsewhere)
    with pytest.raises(HubError) as raised:
        copy(hub, elsewhere, settings)
    assert raised.value.reference == "mirror-diverged"
    assert records(elsewhere) == before


def test_archives_come_from_the_index_verified(hub, elsewhere, settings, tmp_path: Path) -> None:
    archive = tmp_path / "1"
    archive.write_bytes(b"x" * 1000)
    package = msgspec.structs.replace(
        locked().systems["x86_64-linux"].packages[0], sha256=hashlib.sha256(b"x" * 1000).hexdigest()
    )
    lock = msgspec.structs.replace(
        locked(),
        systems={"x86_64-linux": msgspec.structs.replace(locked().systems["x86_64-linux"], packages=(package,))},
    )
    push(hub, lock=lock)
    copy(hub, elsewhere, settings, ecosystems=Index(tmp_path), archives=True)
    assert elsewhere.objects.get(object_key(package.sha256)) == b"x" * 1000
    archive.unlink()  # and from the source, once it has them
    third = Dictionary()
    third.url = "memory://third"
    copy(elsewhere, Hub(third), settings, ecosystems=Index(tmp_path), archives=True)
    assert object_key(package.sha256) in third.objects


def test_an_archive_that_is_another_is_refused(hub, elsewhere, settings, tmp_path: Path) -> None:
    push(hub, "1")
    (tmp_path / "1").write_bytes(b"y" * 1000)
    with pytest.raises(BreakbulkError) as raised:
        copy(hub, elsewhere, settings, ecosystems=Index(tmp_path), archives=True)
    assert raised.value.reference == "digest-mismatch"
    assert not records(elsewhere)


def test_a_hub_that_wants_signatures_gets_nothing_unsigned(hub, elsewhere, settings) -> None:
    push(hub, "1")
    write_policy(elsewhere.objects, HubPolicy(require_signatures=True))
    with pytest.raises(HubError) as raised:
        copy(hub, elsewhere, settings)
    assert raised.value.reference == "hub-requires-signatures"
    assert not records(elsewhere)


def test_what_is_said_of_keys_comes_along(hub, elsewhere, settings) -> None:
    push(hub, "1")
    hub.objects.create(f"keys/{'a' * 64}/00000001", b"{}")
    copy(hub, elsewhere, settings)
    assert elsewhere.objects.get(f"keys/{'a' * 64}/00000001") == b"{}"


def test_a_hub_is_not_copied_to_itself(hub, settings) -> None:
    push(hub, "1")
    with pytest.raises(HubError) as raised:
        copy(hub, hub, settings)
    assert raised.value.reference == "mirror-same"


def test_a_switch_is_copied_with_what_it_makes_live(hub, elsewhere, settings) -> None:
    first = push_with_package(hub, "1", b"one" * 99)
    push_with_package(hub, "2", b"two" * 99)

    def switch(current):
        return following(
            current,
            lock=locked("1"),
            kind="switch",
            generation=1,
            generations=2,
            previous=2,
            prepared=first.change.prepared,
            archives=first.change.archives,
        )

    hub.commit(ENVIRONMENT, switch)
    [one] = copy(hub, elsewhere, settings)
    assert one.generations == (1,)
    assert elsewhere.objects.stat(object_key(blob(b"one" * 99).sha256)) is not None
