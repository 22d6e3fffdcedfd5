"""What every place for objects does, asked of each of them in the same words."""

import hashlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from serving import AnyKey, serving

from breakbulk.errors import HubError, NotFoundError
from breakbulk.hub.backends import open_objects
from breakbulk.hub.credentials import TOKEN_VARIABLE
from breakbulk.hub.objects import Objects
from breakbulk.settings import Settings

MEBIBYTE = 1 << 20
WRITERS = 50
PLACES = ["directory", "memory", "service", pytest.param("s3", marks=pytest.mark.integration)]
LASTING = ["directory", "service", pytest.param("s3", marks=pytest.mark.integration)]

UNUSUAL_KEYS = [
    "one",
    "0",
    "-dash/_under/~tilde/+plus",
    "a=b/c@d/e:f/g,h",
    "objects/00/" + "0" * 64,
    "prepared/0123-libstdc++6-12.2.0-14+deb12u1~bpo/x",
    "dots/a.b..c.",
    "deep/" + "/".join("abcdefgh"),
    "long/" + "x" * 255,
    "percent-like/a=20",
]
IMPOSSIBLE_KEYS = [
    "",
    "/",
    "/absolute",
    "ends/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    ".hidden",
    "a/.hidden/b",
    "zero\0byte",
    "new\nline",
    "back\\slash",
    "space here",
    "hash#1",
    "percent%2e",
    "question?",
    "a*",
    "\u00e4",
    "e\u0301",
    "\u202e",
    "\ud800",
    "x" * 256,
    "/".join(["x" * 100] * 10),
]


@dataclass(frozen=True)
class Place:
    """An empty place, which can be opened any number of times."""

    url: str
    settings: Settings

    def open(self) -> Objects:
        return open_objects(self.url, self.settings)


@dataclass(frozen=True)
class ServicePlace(Place):
    """A service, whose connections are closed in the end."""

    opened: list[Objects] = field(default_factory=list)

    def open(self) -> Objects:
        self.opened.append(super().open())
        return self.opened[-1]


@pytest.fixture
def directory_place(settings: Settings, tmp_path: Path) -> Place:
    return Place(str(tmp_path / "not" / "yet" / "there"), settings)


@pytest.fixture
def memory_place(settings: Settings) -> Place:
    return Place(f"memory://{secrets.token_hex(8)}", settings)


@pytest.fixture
def s3_place(settings: Settings, request: pytest.FixtureRequest) -> Place:
    server = request.getfixturevalue("s3_server")
    return Place(f"s3://{server.new_bucket()}/some/prefix", server.settings(settings))


@pytest.fixture
def service_place(settings: Settings, tmp_path: Path) -> Iterator[Place]:
    under = open_objects(str(tmp_path / "under"), settings)
    with serving(under, settings, tmp_path / "state", policy=AnyKey()) as served:
        _, text = served.token()
        own = {**settings.environment, "BREAKBULK_HUB": served.url, TOKEN_VARIABLE: text}
        place = ServicePlace(served.url, replace(settings, hub=served.url, environment=own))
        yield place
        for opened in place.opened:
            opened.close()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def objects(place: Place) -> Iterator[Objects]:
    opened = place.open()
    yield opened
    opened.close()


def keys(objects: Objects, prefix: str) -> set[str]:
    found = [stat.key for stat in objects.list(prefix)]
    assert len(found) == len(set(found))
    return set(found)


def read(objects: Objects, key: str, start: int = 0) -> bytes:
    return b"".join(objects.stream(key, start))


def in_parallel(work: Callable[[int], object], count: int) -> list[object]:
    """Call `work` with each number at the same moment."""
    ready = threading.Barrier(count)

    def run(number: int) -> object:
        ready.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def test_what_is_created_is_there(objects: Objects) -> None:
    assert objects.create("a/b", b"content")
    assert objects.get("a/b") == b"content"
    assert read(objects, "a/b") == b"content"
    assert keys(objects, "a/") == {"a/b"}
    stat = objects.stat("a/b")
    assert stat is not None
    assert (stat.key, stat.size) == ("a/b", 7)
    assert next(iter(objects.list("a/"))) == stat


def test_an_object_is_created_once(objects: Objects) -> None:
    assert objects.create("a/b", b"first")
    assert not objects.create("a/b", b"second")
    assert objects.get("a/b") == b"first"


def test_of_fifty_writers_one_creates(place: Place) -> None:
    several = [place.open() for _ in range(5)]
    created = in_parallel(lambda n: several[n % 5].create("one", b"%d" % n), WRITERS)
    assert created.count(True) == 1
    assert several[0].get("one") == b"%d" % created.index(True)


def test_fifty_writers_of_fifty_objects(objects: Objects) -> None:
    assert in_parallel(lambda n: objects.create(f"many/{n}", b"%d" % n), WRITERS) == [True] * WRITERS
    assert keys(objects, "many/") == {f"many/{n}" for n in range(WRITERS)}


def test_what_one_writes_another_reads_and_lists_at_once(place: Place) -> None:
    writer, reader = place.open(), place.open()
    for number in range(20):
        writer.create(f"log/{number}", b"%d" % number)
        assert reader.get(f"log/{number}") == b"%d" % number
        assert keys(reader, "log/") == {f"log/{n}" for n in range(number + 1)}
    writer.delete(["log/3"])
    assert reader.stat("log/3") is None
    assert "log/3" not in keys(reader, "log/")


def test_lists_are_of_whole_parts_of_keys(objects: Objects) -> None:
    everything = {"a/1", "a/b/2", "ab/3", "a-/4", "b"}
    for key in everything:
        objects.create(key, b"")
    assert keys(objects, "a/") == {"a/1", "a/b/2"}
    assert keys(objects, "a/b/") == {"a/b/2"}
    assert keys(objects, "b/") == set()
    assert keys(objects, "nowhere/at/all/") == set()
    assert keys(objects, "") >= everything


def test_lists_longer_than_a_page(objects: Objects) -> None:
    names = {f"list/{number % 7}/{number:05d}" for number in range(2_100)}
    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(lambda key: objects.create(key, b""), names))
    assert keys(objects, "list/") == names
    objects.delete(sorted(names))
    assert keys(objects, "list/") == set()


def test_a_prefix_ends_with_a_slash(objects: Objects) -> None:
    for prefix in ("a", "a/b", "/", "a//", "../", "\u00e4/"):
        with pytest.raises(HubError, match="hub-key-invalid"):
            list(objects.list(prefix))


@pytest.mark.parametrize("key", UNUSUAL_KEYS)
def test_unusual_keys(objects: Objects, key: str) -> None:
    assert objects.create(key, key.encode())
    assert objects.get(key) == key.encode()
    assert key in keys(objects, "")
    assert key in keys(objects, key.rpartition("/")[0] + "/" if "/" in key else "")
    objects.delete([key])
    assert objects.stat(key) is None


@pytest.mark.parametrize("key", IMPOSSIBLE_KEYS, ids=ascii)
def test_impossible_keys(objects: Objects, key: str) -> None:
    actions: list[Callable[[], object]] = [
        lambda: objects.get(key),
        lambda: list(objects.stream(key)),
        lambda: objects.create(key, b"x"),
        lambda: objects.replace(key, b"x"),
        lambda: objects.stat(key),
        lambda: objects.delete([key]),
    ]
    for action in actions:
        with pytest.raises(HubError) as raised:
            action()
        assert raised.value.reference == "hub-key-invalid"
    assert keys(objects, "") <= {"exclusive"}


def test_an_empty_object(objects: Objects) -> None:
    assert objects.create("empty", b"")
    assert objects.get("empty") == b""
    assert read(objects, "empty") == b""
    assert objects.get("empty", limit_bytes=0) == b""
    stat = objects.stat("empty")
    assert stat is not None
    assert stat.size == 0


def test_a_file_becomes_an_object(objects: Objects, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for size in (0, 1, MEBIBYTE // 2, 3 * MEBIBYTE):
        file.write_bytes(os.urandom(size))
        assert objects.create(f"of-file/{size}", file)
        assert not objects.create(f"of-file/{size}", file)
        assert objects.get(f"of-file/{size}") == file.read_bytes()


def test_a_file_that_is_not_there(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        objects.create("of-nothing", tmp_path / "missing")
    assert objects.stat("of-nothing") is None


def test_a_large_object(objects: Objects, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(os.urandom(64 * MEBIBYTE + 1))
    content = file.read_bytes()
    assert objects.create("large", file)
    assert not objects.create("large", file)
    stat = objects.stat("large")
    assert stat is not None
    assert stat.size == len(content)
    digest = hashlib.sha256()
    for data in objects.stream("large"):
        digest.update(data)
    assert digest.digest() == hashlib.sha256(content).digest()
    assert read(objects, "large", 63 * MEBIBYTE + 7) == content[63 * MEBIBYTE + 7 :]
    with pytest.raises(HubError, match="object-too-large"):
        objects.get("large")


@pytest.mark.parametrize("start", [0, 1, 4, 9, 10, 11, 1 << 40])
def test_an_object_from_the_middle(objects: Objects, start: int) -> None:
    objects.create("ten", b"0123456789")
    assert read(objects, "ten", start) == b"0123456789"[start:]


def test_what_is_not_there(objects: Objects) -> None:
    objects.create("a/b", b"")
    for key in ("nothing", "a/nothing", "nothing/at/all"):
        assert objects.stat(key) is None
        reads: list[Callable[[], object]] = [
            lambda key=key: objects.get(key),
            lambda key=key: read(objects, key),
            lambda key=key: read(objects, key, 5),
        ]
        for action in reads:
            with pytest.raises(NotFoundError) as raised:
                action()
            assert raised.value.reference == "object-missing"
            assert raised.value.where == f"{objects.url}/{key}"


def test_deleting(objects: Objects) -> None:
    for key in ("a/1", "a/2", "a/3"):
        objects.create(key, b"")
    objects.delete(["a/1", "a/nothing", "nothing", "a/3"])
    assert keys(objects, "a/") == {"a/2"}
    objects.delete(["a/1"])
    objects.delete([])
    assert objects.create("a/1", b"again")
    assert objects.get("a/1") == b"again"


def test_replacing(objects: Objects) -> None:
    objects.replace("pointer", b"new where nothing was")
    objects.replace("pointer", b"2")
    assert objects.get("pointer") == b"2"
    assert not objects.create("pointer", b"3")


def test_readers_see_an_object_whole_while_it_is_replaced(objects: Objects) -> None:
    contents = [bytes([number]) * 200_000 for number in range(20)]
    objects.replace("pointer", contents[0])
    done = threading.Event()

    def write() -> None:
        for content in contents:
            objects.replace("pointer", content)
        done.set()

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        while not done.is_set():
            assert objects.get("pointer") in contents
        writing.result()


def test_times_are_those_of_writing(objects: Objects) -> None:
    tolerance = timedelta(seconds=1)  # S3 tells whole seconds, a kernel the time of its last tick
    before = datetime.now(UTC) - tolerance
    for number in range(5):
        objects.create(f"times/{number}", b"")
    times = [stat.modified for number in range(5) if (stat := objects.stat(f"times/{number}"))]
    assert len(times) == 5
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= datetime.now(UTC) + tolerance
    assert {stat.key: stat.modified for stat in objects.list("times/")} == {
        f"times/{number}": time for number, time in enumerate(times)
    }


def test_no_more_is_read_than_was_allowed(objects: Objects) -> None:
    objects.create("a", b"12345")
    assert objects.get("a", limit_bytes=5) == b"12345"
    with pytest.raises(HubError) as raised:
        objects.get("a", limit_bytes=4)
    assert raised.value.reference == "object-too-large"
    assert raised.value.where == f"{objects.url}/a"


def test_an_object_that_is_a_file_is_given_as_it_is(objects: Objects) -> None:
    objects.create("a/b", b"content")
    file = objects.local("a/b")
    assert file is None or file.read_bytes() == b"content"
    assert objects.local("a/nothing") is None


def test_settling_and_closing(place: Place) -> None:
    objects = place.open()
    objects.settle()
    objects.create("a", b"1")
    objects.settle()
    objects.close()
    assert place.open().get("a") == b"1"


_TRANSFER = """
import os, resource, sys
from pathlib import Path
from breakbulk.hub.backends import open_objects
from breakbulk.settings import Settings
objects = open_objects(sys.argv[1], Settings.load(os.environ))
objects.create("warm/up", b"")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert objects.create("large", Path(sys.argv[2]))
assert sum(map(len, objects.stream("large"))) == Path(sys.argv[2]).stat().st_size
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("name", LASTING)
def test_memory_does_not_grow_with_objects(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    place: Place = request.getfixturevalue(f"{name}_place")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(320 * MEBIBYTE)
    grown = subprocess.run(
        [sys.executable, "-c", _TRANSFER, place.url, tmp_path / "large"],
        env={**os.environ, **place.settings.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(grown.stdout) * 1024 < 160 * MEBIBYTE
