"""A hub in a directory, where machines fail and others have written: full disks, killed writers, links, other users."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breakbulk.errors import BreakbulkError, HubError
from breakbulk.hub.backends.directory import DirectoryObjects
from breakbulk.store import linux
from breakbulk.store.removal import remove_tree

STAGING = ".staging"
DEADLINE_S = 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@pytest.fixture
def objects(root: Path) -> DirectoryObjects:
    return DirectoryObjects(root)


def reference_of(action: Callable[[], object]) -> str:
    with pytest.raises(BreakbulkError) as raised:
        action()
    return raised.value.reference


def test_reading_makes_nothing(objects: DirectoryObjects, root: Path) -> None:
    assert list(objects.list("")) == []
    assert objects.stat("a") is None
    objects.delete(["a"])
    objects.settle()
    assert not root.exists()


def test_an_object_is_a_file_that_nobody_writes_to(objects: DirectoryObjects, root: Path) -> None:
    before = os.umask(0o027)
    try:
        objects.create("a/b", b"content")
        objects.replace("c", b"content")
    finally:
        os.umask(before)
    for key in ("a/b", "c"):
        assert stat.S_IMODE((root / key).stat().st_mode) == 0o440
        assert objects.local(key) == root / key
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o750
    assert os.listdir(root / STAGING) == []


def test_what_is_created_over_an_object_is_refused(objects: DirectoryObjects) -> None:
    objects.create("a", b"")
    assert reference_of(lambda: objects.create("a/b", b"")) == "hub-refused"
    objects.create("c/d", b"")
    assert reference_of(lambda: objects.create("c", b"")) == "hub-refused"
    assert objects.stat("c") is None


@pytest.mark.parametrize("at", ["environments", "environments/ada", "environments/ada/tickets"])
@pytest.mark.parametrize("target", ["directory", "file", "nothing"])
def test_no_link_is_followed(objects: DirectoryObjects, root: Path, tmp_path: Path, at: str, target: str) -> None:
    outside = tmp_path / "outside"
    if target == "directory":
        (outside / "ada" / "tickets").mkdir(parents=True)
        (outside / "tickets").mkdir()
        for directory in (outside, outside / "ada", outside / "ada" / "tickets", outside / "tickets"):
            (directory / "1").write_text("secret")
    elif target == "file":
        outside.write_text("secret")
    before = sorted(tmp_path.rglob("*"))
    (root / at).parent.mkdir(parents=True)
    (root / at).symlink_to(outside)
    key = "environments/ada/tickets/1"
    assert reference_of(lambda: objects.get(key)) == "hub-refused"
    assert reference_of(lambda: list(objects.stream(key))) == "hub-refused"
    assert reference_of(lambda: objects.create(key, b"x")) == "hub-refused"
    assert reference_of(lambda: objects.replace(key, b"x")) == "hub-refused"
    assert reference_of(lambda: objects.delete([key])) == "hub-refused"
    assert reference_of(lambda: list(objects.list("environments/ada/tickets/"))) == "hub-refused"
    assert list(objects.list("")) == []
    assert [path for path in sorted(tmp_path.rglob("*")) if root not in path.parents and path != root] == before


def test_what_is_no_ordinary_file_is_no_object(objects: DirectoryObjects, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    objects.create("a/plain", b"")
    (root / "a" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "a" / "pipe")
    (root / "a" / "directory").mkdir()
    (root / "a" / "not a key").write_text("x")
    (root / "a" / ".hidden").write_text("x")
    assert [found.key for found in objects.list("a/")] == ["a/plain"]
    for name in ("link", "pipe", "directory"):
        assert objects.stat(f"a/{name}") is None
        assert objects.local(f"a/{name}") is None
        assert reference_of(lambda name=name: objects.get(f"a/{name}")) in {"object-missing", "hub-refused"}
        assert reference_of(lambda name=name: objects.create(f"a/{name}", b"x")) == "hub-refused"
    objects.replace("a/link", b"new")
    assert (tmp_path / "secret").read_text() == "secret"
    assert objects.get("a/link") == b"new"


def test_the_directory_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (tmp_path / "name").symlink_to(root)
    objects = DirectoryObjects(tmp_path / "name")
    assert objects.create("a", b"1")
    assert (root / "a").read_bytes() == b"1"


def test_a_file_is_no_hub(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    objects = DirectoryObjects(tmp_path / "file")
    assert reference_of(lambda: objects.create("a", b"")) == "hub-refused"
    assert reference_of(lambda: list(objects.list(""))) == "hub-refused"


def test_content_is_on_the_disk_before_its_name_and_names_when_settled(
    objects: DirectoryObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def recorded(name: str) -> Callable[..., object]:
        call = getattr(os, name)

        def run(*arguments: object, **options: object) -> object:
            is_directory = isinstance(arguments[0], int) and stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            done.append(str(Path(f"/proc/self/fd/{arguments[0]}").readlink()) if is_directory else name)
            return call(*arguments, **options)

        return run

    for name in ("fdatasync", "link", "replace", "fsync"):
        monkeypatch.setattr(os, name, recorded(name))
    objects.create("a/b/c", b"content")
    objects.replace("d", b"content")
    assert done == ["fdatasync", "link", "fdatasync", "replace"]
    done.clear()
    objects.settle()
    assert set(done) == {str(root), str(root / "a"), str(root / "a/b")}
    done.clear()
    objects.settle()
    assert done == []
    DirectoryObjects(root).create("a/b/c", b"content")
    objects.delete(["d"])
    objects.settle()
    assert str(root) in done


_WRITER = """
import sys
from pathlib import Path
from breakbulk.hub.backends.directory import DirectoryObjects
objects = DirectoryObjects(Path(sys.argv[1]))
for number in range(10**9):
    objects.create(f"many/{number % 50}", Path(sys.argv[2]))
    objects.delete([f"many/{number % 50}"])
"""


def test_a_killed_writer_leaves_whole_objects_and_what_the_next_removes(
    objects: DirectoryObjects, root: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(8 << 20))
    staged: list[str] = []
    deadline = time.monotonic() + DEADLINE_S
    while not staged and time.monotonic() < deadline:
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, root, source])
        while not (root / STAGING).exists() or not os.listdir(root / STAGING):
            assert time.monotonic() < deadline
            assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        staged = os.listdir(root / STAGING)
    assert staged
    assert all(found.size == 8 << 20 for found in objects.list(""))
    objects.create("another/1", b"")
    assert os.listdir(root / STAGING) == staged  # it may be at work on another machine
    old = time.time() - 2 * 86_400
    for name in staged:
        os.utime(root / STAGING / name, (old, old))
    objects.create("another/2", b"")
    assert os.listdir(root / STAGING) == staged  # looked at once per process
    DirectoryObjects(root).create("another/3", b"")
    assert os.listdir(root / STAGING) == []


def in_child(work: Callable[[], None]) -> None:
    """Call `work` in a forked process; its failed assertions fail the test."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:  # noqa: BLE001 - told by the exit status
            sys.stderr.write(f"{error!r}\n")
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.integration
def test_a_full_disk(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(2 << 20))
    root.mkdir()

    def fill() -> None:
        linux.unshare(linux.CLONE_NEWNS | (0 if os.geteuid() == 0 else linux.CLONE_NEWUSER))
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
        linux.mount("tmpfs", root, "tmpfs", 0, "size=1m")
        objects = DirectoryObjects(root)
        assert objects.create("there", b"content")
        writes: list[Callable[[], object]] = [
            lambda: objects.create("large", source),
            lambda: objects.create("large", source.read_bytes()),
            lambda: objects.replace("there", source.read_bytes()),
        ]
        for write in writes:
            assert reference_of(write) == "hub-full"
        assert objects.stat("large") is None
        assert objects.get("there") == b"content"
        assert os.listdir(root / STAGING) == []
        assert objects.create("small", b"x" * 100_000)

    in_child(fill)


@pytest.mark.integration
def test_a_directory_that_is_mounted_read_only(root: Path, objects: DirectoryObjects) -> None:
    objects.create("there", b"content")

    def read() -> None:
        linux.unshare(linux.CLONE_NEWNS | (0 if os.geteuid() == 0 else linux.CLONE_NEWUSER))
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
        linux.mount(str(root), root, None, linux.MS_BIND)
        linux.mount(None, root, None, linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY)
        assert objects.get("there") == b"content"
        assert [found.key for found in objects.list("")] == ["there"]
        assert not objects.create("there", b"x")
        assert reference_of(lambda: objects.create("new", b"x")) == "hub-denied"
        assert reference_of(lambda: objects.replace("there", b"x")) == "hub-denied"
        assert reference_of(lambda: objects.delete(["there"])) == "hub-denied"

    in_child(read)


def test_what_is_not_permitted(open_hub: Path) -> None:
    objects = DirectoryObjects(open_hub)
    objects.create("closed/secret", b"content")
    objects.create("open/plain", b"content")
    (open_hub / "closed").chmod(0)
    (open_hub / STAGING).chmod(0o555)

    def use() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        assert objects.get("open/plain") == b"content"
        for action in (lambda: objects.get("closed/secret"), lambda: objects.create("open/new", b"x")):
            with pytest.raises(HubError) as raised:
                action()
            assert raised.value.reference == "hub-denied"
            assert raised.value.where is not None
            assert raised.value.where.startswith(str(open_hub))

    in_child(use)


@pytest.fixture
def open_hub() -> Iterator[Path]:
    """A hub that every user reaches, which pytest's own directories do not allow."""
    directory = Path(tempfile.mkdtemp(prefix="breakbulk-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory / "hub"
    for inner in directory.glob("hub/*"):
        inner.chmod(0o755)
    remove_tree(directory)


def test_limits_of_file_sizes_are_a_full_disk(objects: DirectoryObjects, root: Path) -> None:
    def write() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        assert reference_of(lambda: objects.create("large", b"x" * 2000)) == "hub-full"
        assert objects.create("small", b"x")

    in_child(write)
    assert os.listdir(root / STAGING) == []
    assert [found.key for found in objects.list("")] == ["small"]
