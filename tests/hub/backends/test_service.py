"""The client of the service against servers that misbehave: nothing is given away, nothing cut short is taken whole."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from breakbulk.errors import BreakbulkError, HubError, NetworkError
from breakbulk.hub.backends.service import ServiceObjects
from breakbulk.hub.credentials import (
    CREDENTIALS_FILE,
    TOKEN_VARIABLE,
    Credential,
    find_token,
    forget,
    origin,
    remember,
)
from breakbulk.settings import Settings

DATA = bytes(range(256)) * 4000


class Fake:
    """A server that answers as a test wants, and remembers what it was asked."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, int], None]) -> None:
        self.asked: list[BaseHTTPRequestHandler] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                fake.asked.append(self)
                answer(self, len(fake.asked))

            do_GET = do_HEAD = do_PUT = do_DELETE = handle_any  # noqa: N815 - their names

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def faking(answer: Callable[[BaseHTTPRequestHandler, int], None]) -> Iterator[Fake]:
    fake = Fake(answer)
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.server.shutdown()
        fake.server.server_close()
        thread.join()


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
    handler.close_connection = True


@contextmanager
def client(fake: Fake, settings: Settings, waits: list[float] | None = None) -> Iterator[ServiceObjects]:
    pause = (lambda _s: None) if waits is None else waits.append
    objects = ServiceObjects(fake.url, replace(settings, retries=4, timeout_s=5), token="bbk_secret", pause=pause)
    try:
        yield objects
    finally:
        objects.close()


def refused(identifier: str):
    return pytest.raises(BreakbulkError, match=f"^{identifier}:")


def test_a_redirect_is_not_followed(settings: Settings) -> None:
    with faking(lambda handler, _: reply(handler, 200, b"stolen")) as thief:

        def answer(handler: BaseHTTPRequestHandler, _number: int) -> None:
            reply(handler, 302, Location=f"{thief.url}/v1/objects/a")

        with faking(answer) as fake, client(fake, settings) as objects, refused("hub-redirected") as raised:
            objects.get("a")
        assert "bbk_secret" not in str(raised.value)
        assert thief.asked == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says(settings: Settings, status: int) -> None:
    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        reply(handler, status, Retry_After="7") if number < 3 else reply(handler, 200, b"here")

    waits: list[float] = []
    with faking(answer) as fake, client(fake, settings, waits) as objects:
        assert objects.get("a") == b"here"
    assert [7 <= wait <= 8 for wait in waits] == [True, True]


@pytest.mark.parametrize(
    ("status", "identifier"), [(503, "hub-busy"), (500, "hub-unreachable"), (502, "hub-unreachable")]
)
def test_tries_end(settings: Settings, status: int, identifier: str) -> None:
    with faking(lambda handler, _: reply(handler, status)) as fake, client(fake, settings) as objects:
        with pytest.raises(NetworkError) as raised:
            objects.get("a")
        assert raised.value.reference == identifier
        assert raised.value.where == f"{fake.url}/a"
        assert len(fake.asked) == 4


def test_a_broken_download_goes_on_if_it_is_the_same_object(settings: Settings) -> None:
    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        if number > 1:
            assert handler.headers["If-Match"] == '"tag"'
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(DATA) - start))
        handler.send_header("ETag", '"tag"')
        handler.end_headers()
        handler.wfile.write(DATA[start : start + 300_000])  # and no more, though more was announced
        handler.close_connection = True

    with faking(answer) as fake, client(fake, settings) as objects:
        assert b"".join(objects.stream("a")) == DATA
        assert len(fake.asked) == 4


def test_a_download_whose_object_was_replaced_is_given_up(settings: Settings) -> None:
    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 1:
            handler.send_response(200)
            handler.send_header("Content-Length", "100")
            handler.send_header("ETag", '"old"')
            handler.end_headers()
            handler.wfile.write(b"x" * 50)
            handler.close_connection = True
        else:
            reply(handler, 412, b'{"title": "the object is another one by now", "error": "object-changed"}')

    with faking(answer) as fake, client(fake, settings) as objects, refused("object-changed"):
        b"".join(objects.stream("a"))


CUT = pytest.raises(BreakbulkError, match=r"^hub-unreachable|^hub-refused")
NO_HUB = pytest.raises(HubError, match=r"^hub-refused")


@pytest.mark.parametrize("lines", [b"", b'{"key":"a/b","size":1,"modified":"2026-01-01T00:00:00Z"}\n', b'{"end":3}\n'])
def test_a_list_that_ended_early_is_no_list(settings: Settings, lines: bytes) -> None:
    with faking(lambda handler, _: reply(handler, 200, lines)) as fake, client(fake, settings) as objects, CUT:
        list(objects.list("a/"))


def test_an_answer_lost_after_a_create_is_no_second_object(settings: Settings) -> None:
    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        if number == 1:
            handler.close_connection = True  # done, and nobody hears of it
        else:
            reply(handler, 412)

    with faking(answer) as fake, client(fake, settings) as objects:
        assert objects.create("a", b"x") is False


@pytest.mark.parametrize("body", [b"<html>nginx</html>", b"{}", b"\xff\xfe"])
def test_what_is_no_hub(settings: Settings, body: bytes) -> None:
    with faking(lambda handler, _: reply(handler, 404, body)) as fake, client(fake, settings) as objects, NO_HUB:
        objects.get("a")
    with faking(lambda handler, _: reply(handler, 200, body)) as fake, client(fake, settings) as objects, NO_HUB:
        _ = objects.about


def test_nobody_listens(settings: Settings) -> None:
    with faking(lambda handler, _: reply(handler, 200)) as fake:
        pass
    with client(fake, settings) as objects, refused("hub-unreachable"):
        objects.get("a")


def test_a_token_does_not_go_unencrypted_to_another_machine(settings: Settings) -> None:
    objects = ServiceObjects("http://hub.example.org", replace(settings, retries=1), token="bbk_secret")
    with refused("hub-unencrypted"):
        objects.get("a")
    objects.close()


def test_tokens_are_kept_for_one_origin_and_one_reader(settings: Settings) -> None:
    url = "https://hub.example.org/prefix"
    path = remember(settings, url, Credential(token='to"k\\en', subject="ada"))
    remember(settings, "https://other.example.org", Credential(token="other"))
    assert path == settings.configuration / CREDENTIALS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert find_token(settings, "https://hub.example.org:443") == 'to"k\\en'
    for other in ("http://hub.example.org", "https://hub.example.org:8443", "https://example.org"):
        assert find_token(settings, other) is None
    assert forget(settings, url)
    assert not forget(settings, url)
    assert find_token(settings, url) is None
    assert find_token(settings, "https://other.example.org") == "other"


def test_the_variable_is_for_the_configured_hub_only(settings: Settings) -> None:
    machine = replace(
        settings, hub="https://hub.example.org", environment={**settings.environment, TOKEN_VARIABLE: "bbk_machine"}
    )
    assert find_token(machine, "https://hub.example.org/") == "bbk_machine"
    assert find_token(machine, "https://mirror.example.org") is None


def test_a_file_of_tokens_that_others_may_read_is_not_used(settings: Settings) -> None:
    path = remember(settings, "https://hub.example.org", Credential(token="secret"))
    path.chmod(0o644)
    with refused("credentials-invalid"):
        find_token(settings, "https://hub.example.org")
    path.chmod(0o600)
    path.write_text('[hubs."https://hub.example.org"]\ntoken = secret')
    with refused("credentials-invalid") as raised:
        find_token(settings, "https://hub.example.org")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Hub.Example.org/x", "https://hub.example.org:443"),
        ("http://127.0.0.1:8470", "http://127.0.0.1:8470"),
        ("http://[::1]:8470/", "http://[::1]:8470"),
    ],
)
def test_origins(url: str, expected: str) -> None:
    assert origin(url) == expected


def test_large_objects_are_not_sent_in_vain(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(DATA)

    def answer(handler: BaseHTTPRequestHandler, _number: int) -> None:
        reply(handler, 200, Breakbulk_Modified="2026-01-01T00:00:00+00:00")

    with faking(answer) as fake, client(fake, settings) as objects:
        assert objects.create("a", file) is False
        assert [request.command for request in fake.asked] == ["HEAD"]
