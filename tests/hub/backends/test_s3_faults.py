"""An S3 that breaks: what is asked again, how often, what it is called in the end, and that nothing is lost."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_proxy import (
    CutAnswer,
    CutRequest,
    Fault,
    Faults,
    FaultyProxy,
    LoseAnswer,
    Request,
    Silence,
    Status,
    faulty_proxy,
)
from s3_server import S3Server

from breakbulk.errors import BreakbulkError, HubError, IntegrityError, NetworkError
from breakbulk.hub.backends.addresses import Address
from breakbulk.hub.backends.buckets import bucket_objects
from breakbulk.hub.backends.stored import StoredObjects
from breakbulk.settings import Settings

pytestmark = pytest.mark.integration

MEBIBYTE = 1 << 20
TRIES = 4
SLOW_DOWN = Status(503, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultyProxy]:
    with faulty_proxy(s3_server.url) as running:
        yield running


@pytest.fixture
def open_bucket(proxy: FaultyProxy, s3_server: S3Server, settings: Settings) -> Callable[..., StoredObjects]:
    """Open one bucket through the proxy, with a time-out of its own; the pauses between tries take no time."""
    bucket = s3_server.new_bucket()

    def opened(timeout_s: float = 20.0) -> StoredObjects:
        own = replace(s3_server.settings(settings, AWS_ENDPOINT_URL=proxy.url), timeout_s=timeout_s, retries=TRIES)
        return bucket_objects(Address(scheme="s3", place=bucket), own, pause=lambda _seconds: None)

    return opened


@pytest.fixture
def bucket(open_bucket: Callable[..., StoredObjects], proxy: FaultyProxy) -> StoredObjects:
    """A bucket that has been written to, so that only what a test does is counted."""
    opened = open_bucket()
    opened.create("warm/up", b"")
    proxy.methods()
    return opened


def first(count: int, fault: Fault, *methods: str) -> Faults:
    """Break the first `count` requests of a kind, of these methods or of all."""

    def decide(request: Request, before: int) -> Fault | None:
        return fault if before < count and (not methods or request.method in methods) else None

    return decide


def calls(bucket: StoredObjects) -> dict[str, Callable[[], object]]:
    return {
        "get": lambda: bucket.get("there"),
        "stream": lambda: list(bucket.stream("there")),
        "create": lambda: bucket.create("new", b"x"),
        "replace": lambda: bucket.replace("new", b"x"),
        "stat": lambda: bucket.stat("there"),
        "list": lambda: list(bucket.list("")),
        "delete": lambda: bucket.delete(["there"]),
    }


CALLS = ["get", "stream", "create", "replace", "stat", "list", "delete"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", [Status(500), Status(502), SLOW_DOWN, Status(429), CutRequest()], ids=repr)
def test_what_fails_for_now_is_asked_again(bucket: StoredObjects, proxy: FaultyProxy, call: str, fault: Fault) -> None:
    bucket.create("there", b"content")
    proxy.methods()
    proxy.faults = first(TRIES - 1, fault)
    calls(bucket)[call]()
    assert len(proxy.methods()) == TRIES


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("fault", "reference"),
    [
        (Status(500), "hub-unreachable"),
        (SLOW_DOWN, "hub-busy"),
        (CutRequest(), "hub-unreachable"),
        (Status(403, b"<Error><Code>AccessDenied</Code></Error>"), "hub-denied"),
        (Status(507), "hub-full"),
        (Status(501), "hub-refused"),
    ],
    ids=repr,
)
def test_what_keeps_failing_has_a_name_and_an_end(
    bucket: StoredObjects, proxy: FaultyProxy, call: str, fault: Fault, reference: str
) -> None:
    proxy.faults = first(1000, fault)
    with pytest.raises(BreakbulkError) as raised:
        calls(bucket)[call]()
    error = raised.value
    assert error.reference == reference
    assert error.where is not None
    assert error.where.startswith(f"{bucket.url}/")
    assert error.hint
    assert len(proxy.methods()) == (TRIES if error.retryable else 1)


@pytest.mark.parametrize("call", [call for call in CALLS if call != "stat"])  # an answer to HEAD has no body
def test_credentials_that_have_expired(bucket: StoredObjects, proxy: FaultyProxy, call: str) -> None:
    proxy.faults = first(1, Status(400, b"<Error><Code>ExpiredToken</Code></Error>"))
    with pytest.raises(HubError, match="hub-denied") as raised:
        calls(bucket)[call]()
    assert "ExpiredToken" in (raised.value.why or "")


def test_a_clock_that_is_wrong_is_said_so(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    proxy.faults = first(1, Status(403, b"<Error><Code>RequestTimeTooSkewed</Code></Error>"))
    with pytest.raises(HubError) as raised:
        bucket.get("there")
    assert raised.value.reference == "hub-denied"
    assert "clock" in (raised.value.hint or "")


@pytest.mark.parametrize("call", ["get", "create", "stat", "list"])
def test_a_server_that_says_nothing(open_bucket: Callable[..., StoredObjects], proxy: FaultyProxy, call: str) -> None:
    bucket = open_bucket(timeout_s=0.3)
    bucket.create("there", b"content")
    proxy.methods()
    proxy.faults = first(1000, Silence())
    with pytest.raises(NetworkError) as raised:
        calls(bucket)[call]()
    assert (raised.value.reference, raised.value.why) == ("hub-unreachable", "no answer in time")
    assert len(proxy.methods()) == TRIES
    proxy.faults = first(1, Silence())
    calls(bucket)[call]()


def test_a_create_whose_answer_was_lost_is_ours(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    proxy.faults = first(1, LoseAnswer(), "PUT")
    assert bucket.create("a", b"mine")
    assert proxy.methods() == ["PUT", "PUT", "GET"]
    assert bucket.get("a") == b"mine"


def test_a_create_that_was_lost_to_another_is_not_ours(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    assert bucket.create("a", b"theirs")
    proxy.faults = first(1000, Status(500), "PUT")
    with pytest.raises(NetworkError):
        bucket.create("a", b"mine")
    proxy.methods()
    proxy.faults = first(1, Status(500), "PUT")
    assert not bucket.create("a", b"mine")
    assert bucket.get("a") == b"theirs"


def test_of_many_writers_over_a_bad_line_one_creates(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    faults = [LoseAnswer(), CutRequest(), Status(500), None, Status(409, b"<Error><Code>Conflict</Code></Error>")]
    broken = iter(range(10**6))
    proxy.faults = lambda request, _: faults[next(broken) % 5] if request.method == "PUT" else None
    bucket._persistence.tries = 50  # with that many writers any of them can be unlucky often
    with ThreadPoolExecutor(20) as threads:
        created = list(threads.map(lambda n: bucket.create("one", b"%d" % n), range(20)))
    assert created.count(True) == 1
    assert bucket.get("one") == b"%d" % created.index(True)


def test_somebody_writing_the_same_key_right_now(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    proxy.faults = first(2, Status(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>"), "PUT")
    assert bucket.create("a", b"1")
    proxy.methods()
    proxy.faults = first(2, Status(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>"), "PUT")
    assert not bucket.create("a", b"2")


@pytest.mark.parametrize(
    "answer",
    [
        Status(200, headers=(("ETag", '"written"'),)),
        Status(501, b"<Error><Code>NotImplemented</Code></Error>"),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_server_that_does_not_know_the_condition_is_refused(
    open_bucket: Callable[..., StoredObjects], proxy: FaultyProxy, answer: Status
) -> None:
    proxy.faults = lambda request, _: answer if "if-none-match" in request.headers else None
    bucket = open_bucket()
    for _ in range(2):
        with pytest.raises(HubError, match="hub-not-exclusive"):
            bucket.create("a", b"1")
    assert {request.path.rpartition("/")[2] for request in proxy.requests} == {"exclusive"}


@pytest.mark.parametrize("cut", [0, 1, 700_000, 3 * MEBIBYTE])
def test_a_download_goes_on_where_it_broke_off(bucket: StoredObjects, proxy: FaultyProxy, cut: int) -> None:
    content = os.urandom(3 * MEBIBYTE + 5)
    bucket.replace("large", content)
    proxy.methods()
    proxy.faults = lambda request, before: CutAnswer(cut) if before < 2 and request.method == "GET" else None
    assert b"".join(bucket.stream("large")) == content
    begun, *resumed = proxy.requests
    assert "range" not in begun.headers
    assert resumed
    if cut >= 700_000:
        assert all("range" in request.headers and "if-match" in request.headers for request in resumed)


def test_a_download_of_another_object_is_noticed(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    bucket.replace("large", b"a" * 3 * MEBIBYTE)
    proxy.faults = first(1, CutAnswer(2 * MEBIBYTE), "GET")
    stream = bucket.stream("large")
    next(stream)
    bucket.replace("large", b"b" * 3 * MEBIBYTE)
    with pytest.raises(IntegrityError, match="object-replaced"):
        list(stream)


def test_a_download_that_always_breaks_ends(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    bucket.replace("large", os.urandom(2 * MEBIBYTE))
    proxy.methods()
    proxy.faults = first(1000, CutAnswer(0), "GET")
    with pytest.raises(NetworkError, match="hub-unreachable"):
        list(bucket.stream("large"))
    assert len(proxy.methods()) == TRIES


def test_a_small_object_that_breaks_off_is_read_again(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    bucket.create("a", b"content")
    proxy.faults = first(2, CutAnswer(3), "GET")
    assert bucket.get("a") == b"content"


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("large") / "file"
    file.write_bytes(os.urandom(20 * MEBIBYTE + 3))
    return file


@pytest.mark.parametrize(
    "fault", [Status(500), SLOW_DOWN, CutRequest(MEBIBYTE), LoseAnswer()], ids=lambda fault: type(fault).__name__
)
def test_a_large_upload_survives_what_happens_to_its_parts(
    bucket: StoredObjects, proxy: FaultyProxy, large_file: Path, fault: Fault
) -> None:
    broken: set[str] = set()
    lock = threading.Lock()

    def once_each(request: Request, _before: int) -> Fault | None:
        with lock:
            if "partNumber" not in request.query or request.query in broken:
                return None
            broken.add(request.query)
            return fault

    proxy.faults = once_each
    assert bucket.create("large", large_file)
    assert len(broken) == 3
    assert_same(bucket, "large", large_file)


@pytest.mark.parametrize("fault", [LoseAnswer(), Status(500), CutRequest()], ids=lambda fault: type(fault).__name__)
def test_a_large_upload_whose_beginning_or_end_fails(
    bucket: StoredObjects, proxy: FaultyProxy, large_file: Path, fault: Fault
) -> None:
    proxy.faults = first(1, fault, "POST")  # the first POST begins it
    assert bucket.create("first", large_file)
    assert_same(bucket, "first", large_file)
    ends: list[str] = []

    def at_the_end(request: Request, _before: int) -> Fault | None:
        if request.method == "POST" and "uploadId" in request.query and not ends:
            ends.append(request.query)
            return fault
        return None

    proxy.faults = at_the_end
    assert bucket.create("second", large_file)
    assert len(ends) == 1
    assert_same(bucket, "second", large_file)


def test_a_large_upload_that_fails_leaves_nothing(bucket: StoredObjects, proxy: FaultyProxy, large_file: Path) -> None:
    proxy.faults = lambda request, _: Status(403) if "partNumber=2" in request.query else None
    with pytest.raises(HubError, match="hub-denied"):
        bucket.create("large", large_file)
    assert bucket.stat("large") is None
    assert any(request.method == "DELETE" and "uploadId" in request.query for request in proxy.requests)


def test_a_list_whose_second_page_fails_goes_on(bucket: StoredObjects, proxy: FaultyProxy) -> None:
    names = {f"list/{number:05d}" for number in range(1_100)}
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: bucket.create(key, b""), names))
    proxy.methods()
    proxy.faults = lambda request, _: (
        Status(500) if "continuation-token" in request.query and len(proxy.requests) < 3 else None
    )
    found = [stat.key for stat in bucket.list("list/")]
    assert len(found) == len(names)
    assert set(found) == names
    assert len(proxy.requests) == 3


def test_a_bucket_that_is_not_there(s3_server: S3Server, settings: Settings) -> None:
    nowhere = bucket_objects(Address(scheme="s3", place="there-is-none"), s3_server.settings(settings))
    for action in (
        lambda: nowhere.get("a"),
        lambda: nowhere.create("a", b""),
        lambda: nowhere.replace("a", b""),
        lambda: list(nowhere.list("")),
    ):
        with pytest.raises(HubError) as raised:
            action()
        assert raised.value.reference == "hub-bucket-missing"


def test_credentials_that_are_wrong(s3_server: S3Server, settings: Settings) -> None:
    name = s3_server.new_bucket()
    wrong = s3_server.settings(settings, AWS_SECRET_ACCESS_KEY="not-the-secret")
    bucket = bucket_objects(Address(scheme="s3", place=name), wrong)
    for action in calls(bucket).values():
        with pytest.raises(HubError) as raised:
            action()
        error = raised.value
        assert error.reference == "hub-denied"
        shown = repr(error.as_dict()) + str(error) + repr(error.__cause__)
        assert "not-the-secret" not in shown
        assert s3_server.access_key not in shown


def test_how_many_requests_each_call_takes(bucket: StoredObjects, proxy: FaultyProxy, large_file: Path) -> None:
    def asked(action: Callable[[], object]) -> list[str]:
        proxy.methods()
        action()
        return proxy.methods()

    assert asked(lambda: bucket.create("small", b"x")) == ["PUT"]
    assert asked(lambda: bucket.create("small", b"x")) == ["PUT"]
    assert asked(lambda: bucket.create("middle", b"x" * MEBIBYTE)) == ["HEAD", "PUT"]
    assert asked(lambda: bucket.create("middle", b"x" * MEBIBYTE)) == ["HEAD"]
    assert sorted(asked(lambda: bucket.create("large", large_file))) == ["HEAD", "POST", "POST", "PUT", "PUT", "PUT"]
    assert asked(lambda: bucket.get("small")) == ["GET"]
    assert asked(lambda: list(bucket.stream("large"))) == ["GET"]
    assert asked(lambda: list(bucket.stream("large", 100))) == ["HEAD", "GET"]
    assert asked(lambda: bucket.stat("small")) == ["HEAD"]
    assert asked(lambda: list(bucket.list(""))) == ["GET"]
    assert asked(lambda: bucket.replace("small", b"y")) == ["PUT"]
    assert asked(lambda: bucket.delete(["small", "middle", "large"])) == ["POST"]


def test_a_process_asks_once_whether_the_first_writer_wins(
    open_bucket: Callable[..., StoredObjects], proxy: FaultyProxy
) -> None:
    bucket = open_bucket()
    bucket.create("a", b"")
    assert proxy.methods() == ["PUT", "PUT", "PUT"]
    bucket.create("b", b"")
    assert proxy.methods() == ["PUT"]
    another = open_bucket()
    list(another.list(""))
    assert proxy.methods() == ["GET"]
    another.create("c", b"")
    assert proxy.methods() == ["PUT", "PUT"]


def assert_same(bucket: StoredObjects, key: str, file: Path) -> None:
    digest = hashlib.sha256()
    for data in bucket.stream(key):
        digest.update(data)
    with file.open("rb") as opened:
        assert digest.digest() == hashlib.file_digest(opened, "sha256").digest()
