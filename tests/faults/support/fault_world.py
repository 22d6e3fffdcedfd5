"""A machine of one's own for the fault tests: mirrors on loopback that can be told to fail, apt's configuration, a
project, and the installed program called in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fault_content import WORDS

PROGRAM = Path(sys.executable).with_name("breakbulk")
MARK = "BREAKBULK_TEST_MARK"
ERRORS = Path(__file__).parents[3] / "docs/reference/errors.md"
Fault = Callable[["Handler", bytes], None]
_LOCKS: dict[tuple[str, ...], bytes] = {}


class Handler(BaseHTTPRequestHandler):
    """Serves the files of its site, or the fault that a path has been given."""

    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        path = unquote(self.path).removeprefix("/")
        data = self.server.files.get(path)
        fault = next((fault for part, fault in self.server.faults.items() if part in path), None)
        self.server.asked.append(path)
        try:
            if fault is not None:
                fault(self, data or b"")
            elif data is None:
                self.reply(b"", status=404)
            else:
                self.reply_range(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.reply(b"", status=405)

    def reply(self, data: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
        """Answer; a `length` beyond the data breaks the connection after it."""
        self.send_response(status)
        kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = length is not None

    def reply_range(self, data: bytes) -> None:
        """Answer with the part that was asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self.reply(data)
            return
        start, end = int(asked[1]), int(asked[2] or len(data) - 1)
        content_range = f"bytes {start}-{min(end, len(data) - 1)}/{len(data)}"
        self.reply(data[start : end + 1], status=206, Content_Range=content_range)

    def log_message(self, *_: object) -> None:
        pass


def dropped(handler: Handler, _data: bytes) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def cut(handler: Handler, data: bytes) -> None:
    """Break off half-way."""
    handler.reply(data[: len(data) // 2], length=len(data))


def short(handler: Handler, data: bytes) -> None:
    """Serve the first half as if it were the whole."""
    handler.reply_range(data[: len(data) // 2])


def status(code: int) -> Fault:
    """Answer with a status."""
    return lambda handler, _data: handler.reply(b"", status=code)


class Stalled:
    """Send half and then nothing; `reached` is set when that has happened, until `go_on` is called."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._ended = threading.Event()

    def __call__(self, handler: Handler, data: bytes) -> None:
        handler.reply(data[: len(data) // 2], length=len(data))
        self.reached.set()
        self._ended.wait(30)

    def go_on(self) -> None:
        """Let the connection end."""
        self._ended.set()


def instead(other: bytes) -> Fault:
    """Serve another file under the right name."""
    return lambda handler, _data: handler.reply(other)


class Site(ThreadingHTTPServer):
    """Files by path, and faults by a part of the path."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Take it quietly that a client that is killed resets its connections."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Site]:
    """Serve files while inside."""
    with Site(files) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


@dataclass
class World:
    """One machine: directories below `root`, the site it uses, and how the program is started on it.

    `enter` are words before the program's name: how another user, or another view of the file systems, is entered;
    `view` is where that view is seen from outside.
    """

    root: Path
    site: Site
    apt_key: str
    program: Sequence[str] = (str(PROGRAM),)
    enter: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    view: Path = Path("/")
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        for directory in (self.project, self.root / "home", self.apt / "trusted.gpg.d"):
            directory.mkdir(parents=True)
        self.trust(self.apt_key)
        (self.apt / "sources.list").write_text(f"deb {self.site.url}/debian stable main\n")

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def hub(self) -> Path:
        return self.root / "hub"

    @property
    def apt(self) -> Path:
        return self.root / "apt"

    @property
    def lock(self) -> Path:
        return self.project / "breakbulk.lock"

    def trust(self, certificate: str) -> None:
        """Make a certificate the one that apt trusts."""
        (self.apt / "trusted.gpg.d/archive.asc").write_text(certificate)

    def seen(self, path: Path) -> Path:
        """Return where something that the program sees at `path` is for the test."""
        return self.view / path.relative_to("/")

    def manifest(self, *installs: str, extra: str = "", directory: Path | None = None) -> None:
        """Write a manifest that installs these, such as `deb:words`."""
        pairs = [word.split(":") for word in installs]
        lines = [f'{name} = {{ {ecosystem} = "{name}" }}' for ecosystem, name in pairs]
        options = f'[options]\nsuite = "stable"\nbase = "none"\nsystems = ["{os.uname().machine}-linux"]\n'
        ((directory or self.project) / "breakbulk.toml").write_text("\n".join(["[install]", *lines, extra, options]))

    def locked(self, *installs: str) -> None:
        """Write a manifest and its lock; the lock names no host, so one machine's is every machine's."""
        self.manifest(*installs)
        if installs not in _LOCKS:
            self.document("lock")
            _LOCKS[installs] = self.lock.read_bytes()
        self.lock.write_bytes(_LOCKS[installs])

    def variables(self) -> dict[str, str]:
        """Return the whole environment of the program."""
        places = {"STORE": self.store, "CACHE": self.cache, "APT": self.apt, "HUB": self.hub}
        places["CONFIGURATION"] = self.root / "configuration"
        settings = {f"BREAKBULK_{name}": str(path) for name, path in places.items()}
        settings |= {"BREAKBULK_RETRIES": "2", "BREAKBULK_TIMEOUT": "5", "BREAKBULK_JOBS": "2", MARK: self.mark}
        uv = {
            "UV_DEFAULT_INDEX": f"{self.site.url}/simple",
            "UV_CACHE_DIR": str(self.root / "uv"),
            "UV_HTTP_RETRIES": "0",
        }
        base = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
        return base | settings | uv | self.environment

    def words(self, *argv: str) -> list[str]:
        """Return the words of a call."""
        return [*self.enter, *self.program, *argv]

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Start a call."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.words(*argv), cwd=self.project, env=self.variables(), text=True, **pipes)

    def call(self, *argv: str, code: int = 0) -> str:
        """Run a call to its end, expect an exit code, and return what it printed."""
        started = self.start(*argv)
        printed, said = started.communicate(timeout=60)
        assert started.returncode == code, f"{argv} ended with {started.returncode}: {printed}{said}"
        assert "Traceback" not in said
        return printed

    def document(self, *argv: str, code: int = 0) -> Any:
        """Run a call with `--json` and return its document."""
        return json.loads(self.call(*argv, "--json", code=code))

    def fails(self, *argv: str, error: str) -> Any:
        """Run a call that ends with a documented error and leaves nothing; return the error's document."""
        code = documented_errors()[error]
        words = [argv[0], "--json", *argv[1:]] if argv[0] == "run" else [*argv, "--json"]
        document = json.loads(self.call(*words, code=code))
        assert (document["error"], document["exit_code"]) == (error, code), document
        self.assert_tidy()
        return document

    def completes(self, *present: str) -> None:
        """Realise; every package of the lock is then there as it should be, `present` among them."""
        self.document("realise")
        self.assert_tidy()
        self.assert_realised(*present)
        if "words" in present:
            assert (self.tree("words") / "usr/share/words/words").read_bytes() == WORDS

    def assert_realised(self, *present: str) -> None:
        """Fail when a package of the lock is not in the store, or has no record."""
        locked = json.loads(self.lock.read_text())["systems"][f"{os.uname().machine}-linux"]["packages"]
        names = {f"{package['name']}-{package['version']}" for package in locked}
        store = self.seen(self.store)
        trees = {path.name.partition("-")[2] for path in (store / "packages").iterdir()}
        assert names <= trees
        assert {f"{name}-1.0" for name in present} <= names
        assert sorted(os.listdir(store / "records")) == sorted(os.listdir(store / "packages"))

    def tree(self, name: str) -> Path:
        """Return the tree of a package in the store."""
        [found] = (self.seen(self.store) / "packages").glob(f"*-{name}-1.0")
        return found

    def assert_tidy(self) -> None:
        """Fail when something half-made, a process or a mount is left."""
        assert self.half_made() == []
        assert str(self.root) not in Path("/proc/self/mountinfo").read_text()
        deadline = time.monotonic() + 10  # what dies with its parent does so a moment later, and nobody tells
        while left := processes_with(self.mark):
            assert time.monotonic() < deadline, left
            threading.Event().wait(0.01)

    def half_made(self) -> list[str]:
        """Return what lies in the store, cache or project and should not; of partial downloads the next run goes on."""
        store, project = self.seen(self.store), self.seen(self.project)
        found = [
            path for path in project.iterdir() if path.name not in {"breakbulk.toml", "breakbulk.lock", ".breakbulk"}
        ]
        found += (self.seen(self.cache) / "deb").rglob(".*")
        found += self.seen(self.cache).glob("*/.scratch-*")
        found += self.seen(self.root).glob("*/.*.half-made")
        found += (self.seen(hub) / name for hub in self.root.iterdir() for name in _staged(self.seen(hub)))
        if (store / "staging").is_dir():
            found += (store / "staging").iterdir()
            found += (path for path in (store / "compositions").iterdir() if "." in path.name)
            found += (path for path in (store / "records").iterdir() if not (store / "packages" / path.name).exists())
        return list(dict.fromkeys(map(str, found)))


def _staged(hub: Path) -> list[str]:
    """Return what writers of a hub have left half-made, if this is one."""
    staging = hub / ".staging"
    return os.listdir(staging) if staging.is_dir() else []


def processes_with(mark: str) -> list[str]:
    """Return the living processes that carry a mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                marked = f"{MARK}={mark}".encode() in (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if marked and state != "Z":
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def documented_errors() -> dict[str, int]:
    """Return the exit code of each identifier, as the reference documents them."""
    codes: dict[str, int] = {}
    code = 0
    for line in ERRORS.read_text().splitlines():
        if heading := re.match(r"## (\d+):", line):
            code = int(heading[1])
        elif row := re.match(r"\| `([a-z-]+)` \|", line):
            codes.setdefault(row[1], code)
    return codes
