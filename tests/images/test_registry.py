"""Registries that ask who we are, refuse, or are not there."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from breakbulk.errors import HubError, NetworkError, UsageError
from breakbulk.images.archiving import write_layer
from breakbulk.images.configuration import Document
from breakbulk.images.layout import Image
from breakbulk.images.registry import is_repository, parse_repository, push_image
from breakbulk.settings import Settings

BASIC = base64.b64encode(b"ada:secret").decode()


class Registry:
    """A registry that gives a token for the right password, and keeps what it is sent."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.refuses = False
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, headers, answer = registry.answer(self, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else answer)

            do_GET = do_HEAD = do_PUT = do_POST = handle_any  # noqa: N815 - their names

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        said = request.headers.get("Authorization")
        if request.path.startswith("/token"):
            return (200, {}, b'{"token":"t"}') if said == f"Basic {BASIC}" else (403, {}, b"")
        if said != "Bearer t":
            challenge = f'Bearer realm="http://{self.host}/token",service="registry",scope="repository:team/x:push"'
            return 401, {"WWW-Authenticate": challenge}, b""
        if self.refuses and request.command == "POST":
            return 507, {}, b"the quota is used up"
        if request.command == "HEAD":
            return 200 if request.path.rpartition("sha256:")[2] in self.kept else 404, {}, b""
        if request.command == "POST":
            return 202, {"Location": "/v2/team/x/blobs/uploads/1?state=s"}, b""
        self.kept[request.path.rpartition("sha256:")[2] if "digest=" in request.path else request.path] = body
        return 201, {}, b""


@contextmanager
def serving() -> Iterator[Registry]:
    registry = Registry()
    thread = threading.Thread(target=registry.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.server.shutdown()
        registry.server.server_close()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    layer = write_layer("nothing", {}, tmp_path / "layer")
    return Image(layers=[layer], configuration=Document(data=b"{}"), manifest=Document(data=b"[]"), reference="x")


def logged_in(settings: Settings, tmp_path: Path, host: str, auth: str = BASIC) -> Settings:
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return replace(settings, environment={"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})


def test_a_registry_that_asks_for_a_token_gets_one_and_keeps_the_image(image, settings, tmp_path: Path) -> None:
    with serving() as registry:
        settings = logged_in(settings, tmp_path, registry.host)
        repository = parse_repository(f"{registry.host}/team/x:1", "latest")
        assert push_image(image, repository, settings) > 4
        assert registry.kept["/v2/team/x/manifests/1"] == b"[]"
        assert registry.kept[image.layers[0].digest] == image.layers[0].path.read_bytes()
        assert registry.kept[image.configuration.digest] == b"{}"
        assert push_image(image, repository, settings) == 2  # the manifest alone


@pytest.mark.parametrize("auth", ["", base64.b64encode(b"ada:wrong").decode()])
def test_who_is_not_let_in_is_told_and_no_secret_is_in_it(image, settings, tmp_path: Path, auth: str) -> None:
    with serving() as registry, pytest.raises(HubError) as refused:
        push_image(
            image,
            parse_repository(f"{registry.host}/team/x", "latest"),
            logged_in(settings, tmp_path, registry.host, auth),
        )
    assert refused.value.reference == "registry-refused"
    assert "podman login" in str(refused.value.hint)
    assert "wrong" not in str(refused.value)
    assert not registry.kept


def test_what_a_registry_says_when_it_refuses_is_told(image, settings, tmp_path: Path) -> None:
    with serving() as registry:
        registry.refuses = True
        with pytest.raises(HubError) as refused:
            push_image(
                image, parse_repository(f"{registry.host}/team/x", "l"), logged_in(settings, tmp_path, registry.host)
            )
    assert "507: the quota is used up" in str(refused.value)


def test_a_registry_that_is_not_there_is_named(image, settings) -> None:
    with serving() as registry:
        host = registry.host
    with pytest.raises(NetworkError) as failed:
        push_image(image, parse_repository(f"{host}/team/x", "latest"), settings)
    assert failed.value.reference == "registry-unreachable"
    assert host in str(failed.value)


@pytest.mark.parametrize(
    ("text", "url", "tag"),
    [
        ("registry.example.org/team/x:3", "https://registry.example.org/v2/team/x", "3"),
        ("docker://localhost:5000/x", "http://localhost:5000/v2/x", "latest"),
        ("[::1]:5000/x", "http://[::1]:5000/v2/x", "latest"),
        ("registry:5000/x", "https://registry:5000/v2/x", "latest"),
    ],
)
def test_places_in_registries_are_told_from_files(text: str, url: str, tag: str) -> None:
    found = parse_repository(text, "latest")
    assert (found.url, found.tag) == (url, tag)


@pytest.mark.parametrize("text", ["images", "./a.b/c", "/a/b", "../x.y/z", "ada/tickets", "host.org/", "a.org/X:y:z"])
def test_what_is_no_place_in_a_registry_is_none(text: str) -> None:
    assert not is_repository(text)
    with pytest.raises(UsageError):
        parse_repository(text, "latest")
