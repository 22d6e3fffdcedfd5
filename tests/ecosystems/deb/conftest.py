"""Small archives of packages that do not exist: in memory for what chooses, signed and served for what fetches."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pysequoia import SignatureMode, Tsk, sign

from breakbulk.ecosystems.deb import Deb
from breakbulk.ecosystems.deb.index import Index, compile_index
from breakbulk.ecosystems.deb.universe import Universe, Volume
from breakbulk.ecosystems.interface import Request, Resolution
from breakbulk.manifest.schema import DebInstall, Options
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def paragraph(name: str, version: str = "1.0", **fields: str) -> str:
    """Return the paragraph of a package; underscores in field names stand for dashes."""
    digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    base = {
        "Package": name,
        "Version": version,
        "Architecture": fields.pop("architecture", "amd64"),
        "Filename": f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb",
        "Size": "100",
        "SHA256": digest,
        "Description": fields.pop("description", f"the package {name}"),
    }
    rest = {key.replace("_", "-").title(): value for key, value in fields.items()}
    return "".join(f"{key}: {value}\n" for key, value in (base | rest).items())


@pytest.fixture
def package() -> Callable[..., str]:
    return paragraph


@pytest.fixture
def universe(tmp_path: Path) -> Iterator[Callable[..., Universe]]:
    """Make a universe: positional paragraphs are one suite, keywords name several (underscores for dashes)."""
    opened: list[Index] = []

    def make(*paragraphs: str, pins: Mapping[str, int] | None = None, **suites: list[str]) -> Universe:
        volumes = []
        for suite, texts in (suites or {"stable": list(paragraphs)}).items():
            path = tmp_path / f"{len(opened)}.index"
            compile_index("\n".join(texts), path, where=suite)
            index = Index(path)
            opened.append(index)
            name = suite.replace("_", "-")
            pin = (pins or {}).get(name, 500)
            volumes.append(Volume(index, suite=name, component="main", pin=pin, origin="Test"))
        return Universe(volumes, "amd64")

    yield make
    for index in opened:
        index.close()


class Server(ThreadingHTTPServer):
    """Serves a directory; knows what was asked for, and can be told to fail."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        self.requests: list[str] = []
        self.authorisations: list[str | None] = []
        self.broken: dict[str, str] = {}
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(root)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.authorisations.append(self.headers.get("Authorization"))
        fault = next((kind for part, kind in self.server.broken.items() if part in self.path), None)
        if fault == "drop":
            self.close_connection = True
            return
        if fault is not None and fault.isdecimal():
            self.send_error(int(fault))
            return
        if fault == "cut":
            body = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


class Archive:
    """An archive of one's own: publishes signed suites below a directory that a server shows."""

    def __init__(self, root: Path, server: Server, key: Any) -> None:
        self.root = root
        self.server = server
        self.key = key

    @property
    def uri(self) -> str:
        return self.server.url

    def publish(
        self,
        suite: str,
        *paragraphs: str,
        date: datetime = NOW,
        valid_until: datetime | None = None,
        key: Any = None,
        architecture: str = "amd64",
        by_hash: bool = True,
        compressed: bool = True,
        below: str = "",
        damage: Callable[[Path], None] | None = None,
        **fields: str,
    ) -> Path:
        """Write a suite with one component, and return its directory."""
        directory = self.root / below / "dists" / suite
        folder = directory / f"main/binary-{architecture}"
        folder.mkdir(parents=True, exist_ok=True)
        text = "\n".join(paragraphs).encode()
        forms = {"Packages": text}
        if compressed:
            forms |= {"Packages.gz": gzip.compress(text, mtime=0), "Packages.xz": lzma.compress(text)}
        lines = []
        for name, content in forms.items():
            digest = hashlib.sha256(content).hexdigest()
            lines.append(f" {digest} {len(content)} main/binary-{architecture}/{name}")
            if name != "Packages" or not compressed:
                (folder / name).write_bytes(content)
                (folder / "by-hash/SHA256").mkdir(parents=True, exist_ok=True)
                (folder / "by-hash/SHA256" / digest).write_bytes(content)
        if damage:
            damage(folder)
        head = {"Origin": "Test", "Label": "Test", "Suite": suite, "Codename": suite, "Date": format_datetime(date)}
        head |= {key.replace("_", "-"): value for key, value in fields.items()}
        if valid_until:
            head["Valid-Until"] = format_datetime(valid_until)
        if by_hash:
            head["Acquire-By-Hash"] = "yes"
        release = "".join(f"{key}: {value}\n" for key, value in head.items()) + "SHA256:\n" + "\n".join(lines) + "\n"
        (directory / "Release").write_text(release)
        signed = sign((key or self.key).signer(), release.encode(), mode=SignatureMode.CLEAR)
        (directory / "InRelease").write_bytes(signed)
        stamp = (directory / "InRelease").stat().st_mtime + len(self.server.requests) + 1
        os.utime(directory / "InRelease", (stamp, stamp))
        return directory


@pytest.fixture(scope="session")
def signing_key() -> Any:
    return Tsk.generate("Archive <archive@example.org>")


@pytest.fixture
def archive(tmp_path: Path, signing_key: Any) -> Iterator[Archive]:
    root = tmp_path / "archive"
    root.mkdir()
    with Server(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Archive(root, server, signing_key)
        server.shutdown()
        thread.join()


@pytest.fixture
def machine(tmp_path: Path, archive: Archive) -> Settings:
    """Settings of a machine whose apt knows `stable` of the archive."""
    apt = tmp_path / "apt"
    (apt / "sources.list.d").mkdir(parents=True)
    (apt / "trusted.gpg.d").mkdir()
    (apt / "trusted.gpg.d/archive.asc").write_text(str(archive.key.extract_certificate()))
    (apt / "sources.list").write_text(f"deb {archive.uri} stable main\n")
    settings = Settings.load({"HOME": str(tmp_path)})
    return replace(
        settings, store=tmp_path / "store", cache=tmp_path / "cache", apt_directory=apt, retries=1, timeout_s=5.0
    )


class Resolver:
    """Resolves on a machine at a time that the test moves."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now = NOW.timestamp() + 60

    def __call__(
        self, *names: str, suite: Any = "stable", options: dict[str, Any] | None = None, **more: Any
    ) -> Resolution:
        installs = {name: DebInstall(deb=name) for name in names} | more.pop("installs", {})
        request = Request(
            system=more.pop("system", "x86_64-linux"),
            installs=installs,
            options=Options(suite=suite, **(options or {})),
            directory=Path("/"),
            **more,
        )
        return Deb(clock=lambda: self.now).resolve(request, self.settings, SILENT)

    def versions(self, *names: str, **more: Any) -> dict[str, str]:
        return {package.name: package.version for package in self(*names, **more).packages}


@pytest.fixture
def resolve(machine: Settings) -> Resolver:
    return Resolver(machine)
