"""Objects over HTTP: who may read and write what, and what must be true of it."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from changes import authorship, blob, following, locked, push
from places import Dictionary
from serving import Served, serving

from breakbulk.ecosystems.hub.catalogue import Artifact, Release
from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NotFoundError
from breakbulk.hub import index
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import (
    change_key,
    digest_key,
    elsewhere_prefix,
    journal_key,
    object_key,
    prepared_key,
    snapshot_key,
)
from breakbulk.hub.log import Log
from breakbulk.hub.names import parse_reference
from breakbulk.hub.objects import Objects
from breakbulk.hub.packages import Publication, PublishedPackages, RecordedPublication, Source
from breakbulk.hub.records import Blob, Recorded, encode_change
from breakbulk.hub.service.limits import Rate
from breakbulk.hub.statements import encode_envelope
from breakbulk.hub.switching import rollback, switch
from breakbulk.lock.files import encode_lock
from breakbulk.settings import Settings

DATA = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(9_000))
KEY = object_key(hashlib.sha256(DATA).hexdigest())


def refused(identifier: str):
    return pytest.raises(BreakbulkError, match=f"^{identifier}:")


def envelope(change) -> bytes:
    return encode_envelope(encode_change(change))


@pytest.fixture
def ada(served: Served) -> Hub:
    """The hub as Ada's client sees it."""
    return Hub(served.objects(owners=("ada",), verbs=("read", "push", "switch")), pause=lambda _seconds: None)


def test_content_is_what_its_name_says(served: Served, place: Dictionary) -> None:
    objects = served.objects()
    with refused("digest-mismatch"):
        objects.create(KEY, DATA[:-1])
    assert place.objects == {}
    assert objects.create(KEY, DATA)
    assert not objects.create(KEY, DATA)
    assert objects.get(KEY) == DATA
    assert list((served.service.uploads).iterdir()) == []


def test_content_comes_in_parts_with_a_tag_and_for_ever(served: Served) -> None:
    _, text = served.token()
    served.objects(text).create(KEY, DATA)
    whole = served.ask("GET", f"/v1/objects/{KEY}", text)
    tag = whole.headers["etag"]
    assert (whole.content, tag) == (DATA, f'"{hashlib.sha256(DATA).hexdigest()}"')
    assert "immutable" in whole.headers["cache-control"]
    part = served.ask("GET", f"/v1/objects/{KEY}", text, headers={"Range": "bytes=10-19", "If-Match": tag})
    assert (part.status_code, part.content) == (206, DATA[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(DATA)}"
    assert served.ask("GET", f"/v1/objects/{KEY}", text, headers={"If-None-Match": tag}).status_code == 304
    assert served.ask("GET", f"/v1/objects/{KEY}", text, headers={"If-Match": '"other"'}).status_code == 412
    assert served.ask("GET", f"/v1/objects/{KEY}", text, headers={"Range": "bytes=300000-"}).status_code == 416


@pytest.mark.parametrize(
    ("method", "key", "verbs", "owners"),
    [
        ("GET", change_key("bob/x", 1), ("read",), ("ada",)),
        ("PUT", change_key("bob/x", 1), ("read", "push", "switch"), ("ada",)),
        ("PUT", KEY, ("read", "switch", "collect"), ("*",)),
        ("PUT", "collecting", ("read", "push", "switch"), ("*",)),
        ("PUT", "hub.json", ("read", "switch", "collect"), ("*",)),
        ("DELETE", KEY, ("read", "push", "switch", "admin"), ("*",)),
        ("DELETE", "leases/0123456789", ("read",), ("*",)),
        ("GET", "leases/0123456789", ("read", "switch"), ("*",)),
        ("GET", KEY, ("push",), ("*",)),
    ],
)
def test_a_token_of_another_scope_is_of_no_use(served: Served, method, key, verbs, owners) -> None:
    _, text = served.token(verbs=verbs, owners=owners)
    answer = served.ask(method, f"/v1/objects/{key}", text, headers={"If-None-Match": "*"} if method == "PUT" else {})
    assert (answer.status_code, answer.json()["error"]) == (403, "token-scope")
    assert answer.headers["content-type"] == "application/problem+json"
    refusal = served.service.audit.entries()[0]
    assert (refusal.subject, refusal.result, refusal.address) == ("ada", "token-scope", "127.0.0.1")
    assert key in refusal.action


@pytest.mark.parametrize("key", [KEY, change_key("ada/x", 1), snapshot_key(1), "hub.json"])
def test_what_generations_need_is_never_replaced_or_removed(served: Served, key: str) -> None:
    _, text = served.token()
    if key != "hub.json":
        assert served.ask("PUT", f"/v1/objects/{key}", text, content=b"x").json()["error"] == "object-immutable"
    if key != KEY:
        assert served.ask("DELETE", f"/v1/objects/{key}", text).json()["error"] == "object-immutable"


def test_without_a_token_nothing_is_told(served: Served) -> None:
    for path in (
        f"/v1/objects/{KEY}",
        "/v1/objects?prefix=index/",
        "/v1/objects/nothing",
        "/v1/environments",
        "/v1/self",
    ):
        answer = served.ask("GET", path)
        assert (answer.status_code, answer.json()["error"]) == (401, "token-missing")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_bad_tokens_are_never_taken_for_none(place: Dictionary, settings: Settings, tmp_path: Path) -> None:
    with serving(place, settings, tmp_path / "state", options={"public_read": True}) as served:
        assert served.ask("GET", "/v1/environments").status_code == 200
        token, text = served.token(lifetime=timedelta(hours=1))
        forged = text[:-1] + ("x" if text[-1] != "x" else "y")
        assert served.ask("GET", "/v1/environments", forged).json()["error"] == "token-unknown"
        assert served.ask("GET", "/v1/environments", headers={"Authorization": "Basic YTpi"}).status_code == 401
        served.clock.now += timedelta(hours=1)
        assert served.ask("GET", "/v1/environments", text).json()["error"] == "token-expired"
        served.service.registry.revoke(token.identifier, served.clock())
        assert served.ask("GET", "/v1/environments", text).json()["error"] == "token-revoked"


def test_guessing_ends_soon(place: Dictionary, settings: Settings, tmp_path: Path) -> None:
    with serving(place, settings, tmp_path / "state", options={"failures": Rate(0.01, 3)}) as served:
        errors = [served.ask("GET", "/v1/self", "guess").json()["error"] for _ in range(5)]
        assert errors == ["token-unknown"] * 3 + ["rate-limited"] * 2


def test_too_many_requests(place: Dictionary, settings: Settings, tmp_path: Path) -> None:
    rate = Rate(0.001, 2)  # so slow that no machine is slower
    with serving(place, settings, tmp_path / "state", options={"per_token": rate}) as served:
        _, text = served.token()
        answers = [served.ask("GET", "/v1/self", text) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert served.ask("GET", "/v1/self", served.token()[1]).status_code == 200
        assert served.ask("GET", "/health/live").status_code == 200


def test_an_enormous_upload_is_refused_before_it_is_read(place: Dictionary, settings: Settings, tmp_path: Path) -> None:
    with serving(place, settings, tmp_path / "state", options={"largest_object_bytes": 1000}) as served:
        _, text = served.token()
        taken = []

        def endless():
            for _ in range(1000):
                taken.append(1)
                yield b"x" * 1000

        headers = {"If-None-Match": "*"}
        announced = served.ask("PUT", f"/v1/objects/{KEY}", text, headers=headers, content=b"x" * 1001)
        unannounced = served.ask("PUT", f"/v1/objects/{KEY}", text, headers=headers, content=endless())
        assert [announced.status_code, unannounced.status_code] == [413, 413]
        with refused("object-too-large"):
            served.objects(text).create(KEY, DATA)
        assert place.objects == {}


def test_a_push_over_http_is_a_push(ada: Hub, served: Served, place: Dictionary) -> None:
    first, second = push(ada, "1"), push(ada, "2", message="newer")
    under = Hub(place)
    assert under.history("ada/tickets") == (first, second) == ada.history("ada/tickets")
    assert ada.lock(second.change) == locked("2")
    assert place.objects[digest_key("ada/tickets", second.change.digest)][0] == b"2"
    assert [found.generation for found in index.read(ada.objects)] == [2]
    entry = served.service.audit.entries()[0]
    assert (entry.subject, entry.result) == ("ada", "done")
    assert entry.detail == f"push ada/tickets:2 {second.change.digest}"


def test_switch_and_rollback_over_http(ada: Hub, place: Dictionary) -> None:
    from changes import authorship

    push(ada, "1"), push(ada, "2")
    rollback(ada, "ada/tickets", authorship())
    assert Hub(place).resolve(parse_reference("ada/tickets")).change.generation == 1
    switch(ada, parse_reference("ada/tickets:2"), authorship())
    assert [found.change.kind for found in ada.history("ada/tickets")] == ["push", "push", "rollback", "switch"]


def test_who_may_only_push_cannot_switch(served: Served) -> None:
    from changes import authorship

    pusher = Hub(served.objects(verbs=("read", "push")), pause=lambda _seconds: None)
    push(pusher, "1"), push(pusher, "2")
    with refused("token-scope"):
        rollback(pusher, "ada/tickets", authorship())


def test_fifty_pushers_over_http_get_fifty_generations(served: Served, place: Dictionary) -> None:
    _, text = served.token()
    ready = threading.Barrier(10)

    def work(number: int) -> None:
        hub = Hub(served.objects(text))
        ready.wait()
        for step in range(5):
            push(hub, f"{number}.{step}")
        hub.objects.close()

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(work, range(10)))
    history = Hub(place).history("ada/tickets")
    assert [recorded.change.generation for recorded in history] == list(range(1, 51))
    assert len({recorded.change.digest for recorded in history}) == 50


def send(hub: Hub, current: Recorded | None, **fields) -> bool:
    """Send the change after `current`, with something about it changed."""
    lock = locked("9")
    hub.objects.create(object_key(blob(encode_lock(lock)).sha256), encode_lock(lock))
    change = msgspec.structs.replace(following(current, lock=lock), **fields)
    return hub.objects.create(change_key("ada/tickets", change.number), envelope(change))


def test_a_change_in_somebody_elses_name_is_refused(ada: Hub, served: Served) -> None:
    with refused("author-forged"):
        send(ada, None, author="bob")
    assert send(Hub(served.objects(subject="mirror", verbs=("push", "admin"))), None, author="bob")


@pytest.mark.parametrize(
    "fields",
    [
        {"number": 3},
        {"parent": "0" * 64},
        {"previous": None},
        {"generations": 3, "generation": 3},
        {"kind": "switch", "generation": 1, "generations": 1},
        {"lock": Blob(sha256="0" * 64, size=5)},
        {"lock": blob(encode_lock(locked("1")))},
        {"manifest": Blob(sha256="0" * 64, size=5)},
        {"prepared": {"x86_64-linux": Blob(sha256="0" * 64, size=5)}},
        {"archives": (Blob(sha256="0" * 64, size=5),)},
        {"digest": "sha256:" + "0" * 64},
    ],
)
def test_a_change_that_does_not_follow_is_refused(ada: Hub, place: Dictionary, fields) -> None:
    first = push(ada, "1")
    with pytest.raises(BreakbulkError) as raised:
        send(ada, first, **fields)
    assert raised.value.reference in {"change-refused", "change-damaged"}
    assert "ada/tickets" in (raised.value.where or "")
    assert Hub(place).last_number("ada/tickets") == 1


def test_a_change_whose_number_is_taken_loses(ada: Hub) -> None:
    push(ada, "1")
    assert send(ada, None) is False


def test_what_is_no_change_is_refused(served: Served) -> None:
    objects = served.objects()
    for data in (b"", b"{}", b"\xff", envelope(following(None, "ada/other"))):
        with refused("change-damaged"):
            objects.create(change_key("ada/tickets", 1), data)


def test_a_change_that_must_be_signed(place: Dictionary, settings: Settings, tmp_path: Path) -> None:
    def check(recorded: Recorded) -> None:
        if not recorded.envelope.signatures:
            raise HubError("nobody signed this", identifier="signature-missing")

    with serving(place, settings, tmp_path / "state", check_signed=check) as served:
        with refused("signature-missing"):
            push(Hub(served.objects()), "1")
        assert Hub(place).last_number("ada/tickets") == 0


def published(objects: Objects, **release: Any) -> RecordedPublication | None:
    """Publish a package as Ada."""
    archive = blob(b"archive")
    artifact = Artifact(
        system="x86_64-linux", file="f", sha256=archive.sha256, size=7, tree="1" * 64, destination="/opt/tool"
    )
    values = {"package": "ada/tool", "version": "1.0", "artifacts": (artifact,), **release}
    blank = Publication(
        package="ada/tool",
        number=1,
        release=Release(**values),
        source=Source(tree="2" * 64),
        author="",
        host="",
        command="",
        time=authorship().time,
    )
    return PublishedPackages(objects).commit("ada/tool", lambda before: blank.following(before, authorship()))


def test_a_publication_is_complete_and_follows_the_one_before(served: Served, place: Dictionary) -> None:
    objects = served.objects(owners=("ada",))
    with refused("change-refused"):
        published(objects)
    objects.create(object_key(blob(b"archive").sha256), b"archive")
    published(objects)
    published(objects, version="1.1")
    assert [each.publication.number for each in PublishedPackages(place).history("ada/tool")] == [1, 2]


def test_a_publication_that_must_be_signed(place: Dictionary, settings: Settings, tmp_path: Path) -> None:
    def check(recorded: Recorded | RecordedPublication) -> None:
        if not recorded.envelope.signatures:
            raise HubError("nobody signed this", identifier="signature-missing")

    place.create(object_key(blob(b"archive").sha256), b"archive")
    with serving(place, settings, tmp_path / "state", check_signed=check) as served:
        with refused("signature-missing"):
            published(served.objects())
        assert PublishedPackages(place).names() == {}


def test_what_is_derived_is_written_by_the_service_alone(served: Served, place: Dictionary) -> None:
    objects = served.objects()
    lies = {
        journal_key("bob/x", 1): b"lies",
        snapshot_key(1): b"lies",
        digest_key("bob/x", f"sha256:{'0' * 64}"): b"7",
    }
    for key, data in lies.items():
        assert objects.create(key, data) is False
    assert place.objects == {}


def test_the_index_is_compacted_by_the_service(ada: Hub, place: Dictionary) -> None:
    for number in range(index.JOURNAL_MAX + 2):
        push(ada, "1", environment=f"ada/e{number}")
    assert index.listed(place).snapshot == 1
    assert len(index.read(ada.objects)) == index.JOURNAL_MAX + 2


def test_nobody_sees_others_environments_in_the_index(served: Served, place: Dictionary) -> None:
    under = Hub(place)
    push(under, "1", environment="bob/secret"), push(under, "1", environment="ada/tickets")
    index.compact(place)
    push(under, "1", environment="bob/second"), push(under, "1", environment="ada/second")
    seen = index.read(served.objects(owners=("ada",), verbs=("read",)))
    assert [found.environment for found in seen] == ["ada/second", "ada/tickets"]
    assert len(index.read(served.objects(verbs=("read",)))) == 4


def test_digests_of_content_are_listed_for_collections_only(served: Served) -> None:
    served.objects().create(KEY, DATA)
    with refused("token-scope"):
        list(served.objects(verbs=("read", "push")).list("objects/"))
    assert [stat.key for stat in served.objects(verbs=("collect",)).list("objects/")] == [KEY]


def test_an_owner_says_which_generations_have_their_packages_elsewhere(served: Served, place: Dictionary) -> None:
    objects = served.objects(owners=("ada",), verbs=("read", "push"))
    key = elsewhere_prefix("ada/tickets") + "00000001"
    assert objects.create(key, b"")
    assert Log(objects, elsewhere_prefix("ada/tickets"), "").numbers() == [1]
    objects.delete([key])
    assert key not in place.objects
    theirs = elsewhere_prefix("bob/tool") + "00000001"
    for refuse in (lambda: objects.create(theirs, b""), lambda: objects.delete([theirs])):
        with refused("token-scope"):
            refuse()


def test_a_pointer_to_a_prepared_package_names_what_is_here(served: Served) -> None:
    objects = served.objects()
    key = prepared_key("0123-jq-1", "a" * 64)
    pointer = msgspec.json.encode(blob(DATA))
    for data in (pointer, b"", b"{}"):
        with refused("object-refused"):
            objects.create(key, data)
    objects.create(KEY, DATA)
    assert objects.create(key, pointer)


def test_leases_and_the_marker_of_a_collection(served: Served, place: Dictionary) -> None:
    pusher, collector = served.objects(verbs=("read", "push")), served.objects(verbs=("read", "collect"))
    pusher.replace("leases/0123456789abcdef", b"{}")
    first = place.stat("leases/0123456789abcdef")
    pusher.replace("leases/0123456789abcdef", b"{}")
    [stat] = collector.list("leases/")
    assert pusher.stat("leases/0123456789abcdef") == stat
    with refused("token-scope"):
        list(pusher.list("leases/"))
    assert first is not None
    assert stat.modified > first.modified
    collector.replace("collecting", b"{}")
    found = pusher.stat("collecting")
    assert found is not None
    collector.delete(["collecting", KEY])
    pusher.delete(["leases/0123456789abcdef"])
    assert place.objects == {}


def test_a_damaged_object_is_told_from_a_bad_request(served: Served, place: Dictionary) -> None:
    hub = Hub(served.objects())
    recorded = push(hub, "1")
    place.replace(object_key(recorded.change.lock.sha256), b"x" * recorded.change.lock.size)
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        hub.lock(recorded.change)
    with pytest.raises(NotFoundError, match="object-missing"):
        hub.recorded("ada/tickets", 2)


def test_where_the_objects_are_is_nobodys_business(settings: Settings, tmp_path: Path) -> None:
    from breakbulk.hub.backends import open_objects

    with serving(open_objects(str(tmp_path / "secret"), settings), settings, tmp_path / "state") as served:
        answer = served.ask("GET", "/v1/objects/hub.json", served.token()[1])
        assert answer.status_code == 404
        assert str(tmp_path) not in answer.text


def test_requests_have_names_and_security_headers(served: Served) -> None:
    answer = served.ask("GET", "/v1/self", headers={"X-Request-Id": "from-a-proxy-1"})
    assert answer.headers["x-request-id"] == answer.json()["request"] == "from-a-proxy-1"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    odd = served.ask("GET", "/v1/self", headers={"X-Request-Id": "a" * 100})
    assert odd.headers["x-request-id"] != "a" * 100
