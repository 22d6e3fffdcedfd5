"""Archives from a server of the test's own."""

import base64
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from breakbulk.ecosystems.archive import Archive
from breakbulk.ecosystems.interface import Location, Request
from breakbulk.errors import ArchiveError, IntegrityError, LockError, NetworkError, NotFoundError
from breakbulk.lock.model import Package
from breakbulk.manifest.schema import ArchiveInstall, Options
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings


def tar_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 4
            opened.addfile(info, io.BytesIO(b"data"))
    return buffer.getvalue()


DATA = tar_of("tool-1.0/bin/tool", "tool-1.0/README")
SHA256 = hashlib.sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives DATA at `/tool-1.0.tar.gz`; notes what is asked, and can be told to fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.authorisations: list[str | None] = []
        self.statuses: list[int] = []
        self.heads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tool-1.0.tar.gz?token=t"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.answer(405 if not self.server.heads else 200, body=False)

    def do_GET(self) -> None:
        self.answer(200, body=True)

    def answer(self, status: int, *, body: bool) -> None:
        self.server.asked.append(self.command)
        self.server.authorisations.append(self.headers["Authorization"])
        status = self.server.statuses.pop(0) if self.server.statuses else status
        self.send_response(status)
        self.send_header("Content-Length", str(len(DATA) if status == 200 else 0))
        self.end_headers()
        if body and status == 200:
            self.wfile.write(DATA)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, cache=tmp_path / "cache", retries=1, environment={"HOME": str(tmp_path)})


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., Request]:
    def request_for(install: ArchiveInstall, *locked: Package) -> Request:
        return Request(
            system="x86_64-linux", installs={"tool": install}, options=Options(), directory=tmp_path, locked=locked
        )

    return request_for


Ask = Callable[..., Request]


def resolve(request: Request, settings: Settings) -> Package:
    (package,) = Archive().resolve(request, settings, SILENT).packages
    return package


def test_an_archive_is_locked_without_a_download_and_without_its_host(
    server: Server, request_for: Ask, own: Settings
) -> None:
    install = ArchiveInstall(url=server.url, sha256=SHA256, strip=1)
    package = resolve(request_for(install), own)
    assert server.asked == ["HEAD"]
    assert (package.name, package.file, package.size) == ("tool", "tool-1.0.tar.gz", len(DATA))
    assert (package.destination, package.strip, package.version) == ("/opt/tool", 1, SHA256[:12])
    assert "127.0.0.1" not in repr(package)
    assert list(Archive().locate(package, install, own)) == [Location(url=server.url)]


def test_what_is_locked_is_not_asked_for_again(server: Server, request_for: Ask, own: Settings) -> None:
    install = ArchiveInstall(url=server.url, sha256=SHA256.upper())
    package = resolve(request_for(install), own)
    assert resolve(request_for(install, package), own) == package
    assert server.asked == ["HEAD"]


def test_a_server_without_head_is_downloaded_from_once(server: Server, request_for: Ask, own: Settings) -> None:
    server.heads = False
    install = ArchiveInstall(url=server.url, sha256=SHA256)
    package = resolve(request_for(install), own)
    assert package.size == len(DATA)
    (location,) = Archive().locate(package, install, own)
    assert location.path is not None
    assert location.path.read_bytes() == DATA
    resolve(request_for(install), own)
    assert server.asked == ["HEAD", "GET"]


def test_another_digest_is_refused_when_it_is_seen(server: Server, request_for: Ask, own: Settings) -> None:
    server.heads = False
    with pytest.raises(IntegrityError, match="digest-mismatch") as caught:
        resolve(request_for(ArchiveInstall(url=server.url, sha256="0" * 64)), own)
    assert "token" not in str(caught.value)
    assert list((own.cache / "archives").iterdir()) == []


def test_credentials_come_from_netrc_and_go_nowhere_else(
    server: Server, request_for: Ask, own: Settings, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password pässword\n")
    (tmp_path / ".netrc").chmod(0o600)
    install = ArchiveInstall(url=server.url, sha256=SHA256)
    package = resolve(request_for(install), own)
    expected = "Basic " + base64.b64encode("me:pässword".encode()).decode()
    assert server.authorisations == [expected]
    (location,) = Archive().locate(package, install, own)
    assert location.headers == {"Authorization": expected}
    other = ArchiveInstall(url="https://localhost/x.tar", sha256=SHA256)
    assert [place.headers for place in Archive().locate(package, other, own)] == [{}]


def test_faults_of_the_server_are_named(server: Server, request_for: Ask, own: Settings) -> None:
    install = ArchiveInstall(url=server.url, sha256=SHA256)
    server.statuses = [404]
    with pytest.raises(NotFoundError, match="archive-missing"):
        resolve(request_for(install), own)
    server.statuses = [500, 500]
    with pytest.raises(NetworkError, match="archive-unreachable"):
        resolve(request_for(install), own)
    with pytest.raises(NetworkError, match="archive-unreachable"):
        resolve(request_for(ArchiveInstall(url="http://127.0.0.1:1/x.tar", sha256=SHA256)), own)


def test_files_of_this_machine(request_for: Ask, own: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a b.tar.gz"
    path.write_bytes(DATA)
    install = ArchiveInstall(url=f"file://{tmp_path}/a%20b.tar.gz", sha256=SHA256)
    package = resolve(request_for(install), own)
    assert (package.file, package.size) == ("a_b.tar.gz", len(DATA))
    assert list(Archive().locate(package, install, own)) == [Location(path=path)]
    path.unlink()
    with pytest.raises(NotFoundError, match="archive-missing"):
        resolve(request_for(install), own)


def test_an_archive_the_manifest_does_not_have_cannot_be_located(
    server: Server, request_for: Ask, own: Settings
) -> None:
    package = resolve(request_for(ArchiveInstall(url=server.url, sha256=SHA256)), own)
    with pytest.raises(LockError, match="breakbulk lock"):
        list(Archive().locate(package, None, own))


@pytest.mark.parametrize("strip", [0, 1])
def test_it_is_unpacked_below_its_destination(
    strip: int, server: Server, request_for: Ask, own: Settings, tmp_path: Path
) -> None:
    expected = ["opt/tool/tool-1.0/README", "opt/tool/README"][strip]
    package = resolve(request_for(ArchiveInstall(url=server.url, sha256=SHA256, strip=strip)), own)
    (tmp_path / "archive").write_bytes(DATA)
    (tmp_path / "tree").mkdir()
    unpacked = Archive().unpack(tmp_path / "archive", package, None, tmp_path / "tree")
    assert (tmp_path / "tree" / expected).read_bytes() == b"data"
    assert unpacked.content[expected].size == 4


def test_stripping_everything_is_an_error(server: Server, request_for: Ask, own: Settings, tmp_path: Path) -> None:
    package = resolve(request_for(ArchiveInstall(url=server.url, sha256=SHA256, strip=5)), own)
    (tmp_path / "archive").write_bytes(DATA)
    (tmp_path / "tree").mkdir()
    with pytest.raises(ArchiveError, match=r"archive-empty.*strip = 5"):
        Archive().unpack(tmp_path / "archive", package, None, tmp_path / "tree")
