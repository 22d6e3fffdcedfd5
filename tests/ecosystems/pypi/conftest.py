"""Wheels made on the spot, and a package index on this machine."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from breakbulk.ecosystems.interface import Request
from breakbulk.ecosystems.pypi import uv
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import Options, PypiInstall
from breakbulk.settings import Settings

PYTHON = Python(version="3.11", tag="cpython-311", package="deb:python3.11")


def record_line(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    quoted = f'"{path}"' if "," in path else path
    return f"{quoted},sha256={digest},{len(data)}"


def wheel_bytes(
    name: str = "demo",
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    *,
    requires: tuple[str, ...] = (),
    metadata: str = "",
    entry_points: str = "",
    programs: frozenset[str] = frozenset(),
    record: str | None = None,
) -> bytes:
    """Return a wheel; `record` replaces its true RECORD."""
    dist_info = f"{name.replace('-', '_')}-{version}.dist-info"
    members = dict(files if files is not None else {f"{name.replace('-', '_')}/__init__.py": b"answer = 42\n"})
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}{metadata}"
    members[f"{dist_info}/METADATA"] = text.encode()
    members[f"{dist_info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if entry_points:
        members[f"{dist_info}/entry_points.txt"] = entry_points.encode()
    if record is None:
        record = "".join(f"{record_line(path, data)}\n" for path, data in members.items()) + f"{dist_info}/RECORD,,\n"
    members[f"{dist_info}/RECORD"] = record.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            info = zipfile.ZipInfo(path)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if path in programs else 0o100644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def wheel_name(name: str = "demo", version: str = "1.0", tag: str = "py3-none-any") -> str:
    return f"{name.replace('-', '_')}-{version}-{tag}.whl"


def locked(data: bytes, name: str = "demo", version: str = "1.0", file: str | None = None) -> Package:
    return Package(
        ecosystem="pypi",
        name=name,
        version=version,
        file=file or wheel_name(name, version),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        purl=f"pkg:pypi/{name}@{version}",
        python="cpython-311",
    )


@dataclass
class Index:
    """A package index on loopback, and how it misbehaves."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    uploaded: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    speaks_json: bool = True
    authorization: str | None = None
    cut_short: dict[str, int] = field(default_factory=dict)
    """File to how many answers are to end half-way."""
    status: int | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, data: bytes, file: str, *, uploaded: str = "2025-01-01T00:00:00Z") -> bytes:
        self.files[file] = data
        self.uploaded[file] = uploaded
        return data

    def of_project(self, project: str) -> list[str]:
        return [file for file in self.files if file.split("-")[0].replace("_", "-").lower() == project]


class _Handler(BaseHTTPRequestHandler):
    index: Index
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        index = self.index
        index.requests.append((self.path, self.headers.get("Range")))
        if index.status is not None:
            return self._send(index.status, b"", "text/plain")
        if index.authorization is not None and self.headers.get("Authorization") != index.authorization:
            return self._send(401, b"", "text/plain", {"WWW-Authenticate": 'Basic realm="index"'})
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "simple" and index.of_project(rest):
            return self._page(rest)
        if kind == "files" and rest in index.files:
            return self._file(rest, index.files[rest])
        return self._send(404, b"", "text/plain")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _page(self, project: str) -> None:
        files = self.index.of_project(project)
        digests = {file: hashlib.sha256(self.index.files[file]).hexdigest() for file in files}
        if self.index.speaks_json:
            page = {
                "meta": {"api-version": "1.1"},
                "name": project,
                "versions": [],
                "files": [
                    {
                        "filename": file,
                        "url": f"../../files/{file}",
                        "hashes": {"sha256": digests[file]},
                        "upload-time": self.index.uploaded[file],
                        "size": len(self.index.files[file]),
                    }
                    for file in files
                ],
            }
            return self._send(200, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
        links = "".join(f'<a href="../../files/{file}#sha256={digests[file]}">{file}</a>' for file in files)
        return self._send(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")

    def _file(self, name: str, data: bytes) -> None:
        wanted = self.headers.get("Range")
        if not self.index.ranges or wanted is None:
            return self._send(200, data, "application/zip", name=name)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = max(0, len(data) - int(last)) if not first else int(first)
        end = len(data) if not first or not last else min(len(data), int(last) + 1)
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        return self._send(206, data[start:end], "application/zip", headers, name=name)

    def _send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None, *, name: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if name and self.index.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.index.cut_short.get(name, 0) > 0:
            self.index.cut_short[name] -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index()
    handler = type("Handler", (_Handler,), {"index": index})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    index.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield index
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def interpreter_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What uv finds out about this Python, which takes it longer than a small resolution."""
    directory = tmp_path_factory.mktemp("uv")
    settings = Settings.load({"HOME": str(directory), "UV_CACHE_DIR": f"{directory}/cache", "PATH": os.environ["PATH"]})
    (directory / "requirements.in").touch()
    assert uv.run(["pip", "compile", "requirements.in"], directory, settings).returncode == 0
    return directory / "cache"


@pytest.fixture
def make_settings(tmp_path: Path, interpreter_cache: Path) -> Callable[..., Settings]:
    """Settings of a user without any configuration but `environment`, with caches of the test's own."""
    for known in interpreter_cache.glob("interpreter-*"):
        shutil.copytree(known, tmp_path / "uv-cache" / known.name)

    def make(**environment: str) -> Settings:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        base = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "XDG_CONFIG_DIRS": str(tmp_path / "etc"),
            "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        }
        variables = {
            "BREAKBULK_CACHE": str(tmp_path / "cache"),
            "BREAKBULK_STORE": str(tmp_path / "store"),
            "BREAKBULK_RETRIES": "2",
            "BREAKBULK_TIMEOUT": "10",
        }
        settings = Settings.load({**base, **variables, **environment})
        return Settings(**{**vars(settings), "environment": {**base, **environment}})

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings], index: Index) -> Settings:
    return make_settings(UV_DEFAULT_INDEX=f"{index.address}/simple")


@pytest.fixture
def make_request(tmp_path: Path) -> Callable[..., Request]:
    def make(*requirements: str, **fields: object) -> Request:
        installs = {f"i{number}": PypiInstall(pypi=text) for number, text in enumerate(requirements)}
        defaults: dict[str, object] = {
            "system": "x86_64-linux",
            "installs": installs,
            "options": Options(),
            "directory": tmp_path,
            "python": PYTHON,
        }
        return Request(**{**defaults, **fields})  # type: ignore[arg-type]

    return make


class Making:
    """What tests make wheels with; one fixture, as conftest modules are not imported."""

    wheel = staticmethod(wheel_bytes)
    name = staticmethod(wheel_name)
    package = staticmethod(locked)
    record_line = staticmethod(record_line)


@pytest.fixture(scope="session")
def making() -> type[Making]:
    return Making
