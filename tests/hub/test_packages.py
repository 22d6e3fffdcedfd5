"""Packages on a hub: each publication gets a number of its own, and nothing that was altered is believed."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import pytest
from places import Dictionary, Wrapped

from breakbulk.ecosystems.hub.catalogue import Artifact, Release
from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.hub.layout import HUB, publication_key
from breakbulk.hub.packages import Publication, PublishedPackages, RecordedPublication, Source
from breakbulk.hub.policy import HubPolicy, write_policy
from breakbulk.hub.records import Authorship
from breakbulk.hub.statements import Signature

PACKAGE = "ada/tool"
BY = Authorship(author="ada", host="here", command="publish", time=datetime(2026, 1, 1, tzinfo=UTC))


def artifact(**changes: object) -> Artifact:
    given = {"system": "x86_64-linux", "file": "tool-1.tar.zst", "sha256": "0" * 64, "size": 7}
    return msgspec.convert({**given, "tree": "1" * 64, "destination": "/opt/tool", **changes}, Artifact)


def publication(version: str = "1.0", **changes: object) -> Publication:
    return Publication(
        package=PACKAGE,
        number=1,
        release=Release(package=PACKAGE, version=version, artifacts=(artifact(**changes),)),
        source=Source(tree="2" * 64, revision="abc"),
        author="",
        host="",
        command="",
        time=BY.time,
    )


@pytest.fixture
def packages(place: Dictionary) -> PublishedPackages:
    return PublishedPackages(place, pause=lambda _seconds: None)


def publish(packages: PublishedPackages, version: str, sign=lambda _payload: ()) -> RecordedPublication:
    recorded = packages.commit(PACKAGE, lambda before: publication(version).following(before, BY), sign)
    assert recorded is not None
    return recorded


def refused(work) -> str:
    with pytest.raises(BreakbulkError) as error:
        work()
    return error.value.reference


def test_what_was_published_is_told_in_order(packages):
    assert refused(lambda: packages.history(PACKAGE)) == "package-unknown"
    recorded = [publish(packages, version) for version in ("1.0", "1.1", "1.0")]
    assert packages.history(PACKAGE) == tuple(recorded)
    assert [each.publication.number for each in recorded] == [1, 2, 3]
    assert recorded[1].publication.parent == recorded[0].sha256
    assert (recorded[0].publication.author, recorded[0].publication.command) == ("ada", "publish")
    assert packages.names() == {PACKAGE: 3}


def test_who_changes_nothing_records_nothing(packages):
    publish(packages, "1.0")
    assert packages.commit(PACKAGE, lambda _before: None) is None
    assert len(packages.history(PACKAGE)) == 1


def test_twenty_at_once_get_twenty_numbers(packages):
    with ThreadPoolExecutor(20) as publishers:
        recorded = list(publishers.map(lambda number: publish(packages, f"1.{number}"), range(20)))
    assert sorted(each.publication.number for each in recorded) == list(range(1, 21))
    assert {each.publication.release.version for each in packages.history(PACKAGE)} == {f"1.{n}" for n in range(20)}


def test_a_publication_whose_answer_was_lost_is_recorded_once(place):
    losses = iter([True])

    def lose(verb: str, key: str) -> None:
        if verb == "create" and key.startswith("packages/") and next(losses, False):
            raise NetworkError("the connection was lost", identifier="hub-unreachable")

    packages = PublishedPackages(Wrapped(place, after=lose), pause=lambda _seconds: None)
    recorded = publish(packages, "1.0")
    assert packages.history(PACKAGE) == (recorded,)


def test_a_hub_says_its_layout_from_the_first_publication_on(packages, place):
    publish(packages, "1.0")
    assert place.get(HUB) == b'{"format":1}'
    place.replace(HUB, b'{"format":2}')
    assert refused(lambda: publish(packages, "1.1")) == "hub-newer"
    assert packages.names() == {PACKAGE: 1}


def test_a_hub_that_wants_signatures_gets_nothing_unsigned(packages, place):
    write_policy(place, HubPolicy(require_signatures=True))
    assert refused(lambda: publish(packages, "1.0")) == "hub-requires-signatures"
    assert publish(packages, "1.0", lambda _payload: (Signature(keyid="key", sig="c2ln"),)).publication.number == 1


def test_the_statement_about_the_archives_is_what_is_signed(packages):
    signed = []

    def sign(payload: bytes) -> tuple[Signature, ...]:
        signed.append(json.loads(payload))
        return (Signature(keyid="key", sig="c2ln"),)

    recorded = publish(packages, "1.0", sign)
    assert recorded.envelope.signatures == (Signature(keyid="key", sig="c2ln"),)
    assert signed[0]["subject"] == [{"name": "tool-1.tar.zst", "digest": {"sha256": "0" * 64}}]
    assert signed[0]["predicateType"] == "https://breakbulk.dev/package/v1"


def test_a_history_that_was_altered_is_broken(packages, place):
    for version in ("1.0", "1.1", "1.2"):
        publish(packages, version)
    second = place.get(publication_key(PACKAGE, 2))
    place.delete([publication_key(PACKAGE, 2)])
    assert refused(lambda: packages.history(PACKAGE)) == "history-broken"
    envelope = json.loads(second)
    payload = base64.b64decode(envelope["payload"]).replace(b'"1.1"', b'"1.9"')
    envelope["payload"] = base64.b64encode(payload).decode()
    place.replace(publication_key(PACKAGE, 2), json.dumps(envelope).encode())
    assert refused(lambda: packages.history(PACKAGE)) == "history-broken"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"ada/tool"', b'"eve/tool"'),
        (b'"number":1', b'"number":2'),
        (b'"/opt/tool"', b'"/opt/../../etc"'),
        (b'"/opt/tool"', b'"opt/tool"'),
        (b'"tool-1.tar.zst"', b'"../tool"'),
        (b"0" * 64, b"0" * 63),
        (b'"1.0"', b'"1/0"'),
        (b'"x86_64-linux"', b'"z80-cpm"'),
        (b'"revision"', b'"invented"'),
    ],
)
def test_a_record_that_cannot_be_is_damaged(packages, place, old, new):
    publish(packages, "1.0")
    key = publication_key(PACKAGE, 1)
    envelope = json.loads(place.get(key))
    payload = base64.b64decode(envelope["payload"])
    assert old in payload
    envelope["payload"] = base64.b64encode(payload.replace(old, new)).decode()
    place.replace(key, json.dumps(envelope).encode())
    assert refused(lambda: packages.history(PACKAGE)) == "change-damaged"


def test_a_later_format_is_told_from_damage(packages, place):
    publish(packages, "1.0")
    key = publication_key(PACKAGE, 1)
    envelope = json.loads(place.get(key))
    payload = base64.b64decode(envelope["payload"]).replace(b"package/v1", b"package/v2")
    envelope["payload"] = base64.b64encode(payload).decode()
    place.replace(key, json.dumps(envelope).encode())
    assert refused(lambda: packages.history(PACKAGE)) == "hub-newer"
