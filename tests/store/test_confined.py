"""A program in a private root: what it sees, what it cannot do, and that nothing of it is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from children import give_to_nobody, in_child

from breakbulk.errors import NotFoundError, PlatformError
from breakbulk.store.confined import Bind, open_confined, run_confined

pytestmark = pytest.mark.integration

USR = Bind(source=Path("/usr"), target="/usr")
PATH = {"PATH": "/usr/bin:/bin:/usr/sbin"}


@pytest.fixture
def lowers(open_directory: Path) -> list[Path]:
    trees = []
    for name in ("first", "second"):
        tree = open_directory / name
        (tree / "opt").mkdir(parents=True)
        (tree / "opt" / name).write_text(name)
        (tree / "opt" / "both").write_text(name)
        trees.append(tree)
    return trees


def shell(lowers, script, **options):
    options = {"binds": [USR], "environment": PATH, **options}
    return run_confined(lowers, ["/bin/sh", "-c", script], **options)


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_sees_the_packages_and_passes_input_output_and_status(lowers, user):
    done = in_child(shell, lowers, "cat; cat /opt/both; echo fault >&2; exit 3", user=user)
    assert (done.status, done.stdout, done.stderr) == (3, b"first", b"fault\n")


def test_reads_its_input(lowers):
    assert shell(lowers, "tr a-z A-Z", stdin=b"hello" * 100_000).stdout == b"HELLO" * 100_000


def test_a_signal_is_told_as_a_shell_tells_it(lowers):
    assert shell(lowers, "kill -TERM $$").status == 128 + signal.SIGTERM


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_nothing_else_of_this_machine_is_there(lowers, user):
    done = in_child(
        shell,
        lowers,
        "ls / ; ls /proc | grep -c '^[0-9]'; ls /sys/class 2>&1 | wc -l; touch /new || echo refused;"
        "mount -o remount,rw / 2>/dev/null || echo kept; ip link 2>/dev/null | grep -c UP; env | grep -c HOME",
        user=user,
    )
    words = done.stdout.decode().split()
    assert "root" not in words
    assert "work" not in words
    assert {"refused", "kept"} <= set(words)


def test_the_network_is_there_when_asked_for(lowers):
    namespace = os.fsencode(Path("/proc/self/ns/net").readlink())
    script = "readlink /proc/self/ns/net"
    assert shell(lowers, script).stdout.strip() != namespace
    assert shell(lowers, script, network=True).stdout.strip() == namespace


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_changes_go_to_the_upper_directory_and_no_work_is_left(open_directory, lowers, user):
    upper = open_directory / "upper"
    upper.mkdir()
    give_to_nobody(open_directory)

    def change():
        return shell(lowers, "echo new > /made; rm /opt/both", upper=upper)

    assert in_child(change, user=user).status == 0
    assert (upper / "made").read_text() == "new\n"
    assert (lowers[0] / "opt" / "both").exists()
    assert sorted(path.name for path in open_directory.iterdir()) == ["first", "second", "upper"]


def test_binds_are_read_only_unless_they_say_otherwise(open_directory, lowers):
    for name in ("closed", "open"):
        (open_directory / name).mkdir()
    (open_directory / "file").write_text("text")
    binds = [
        USR,
        Bind(source=open_directory / "closed", target="/srv/closed"),
        Bind(source=open_directory / "open", target="/srv/open", writable=True),
        Bind(source=open_directory / "file", target="/srv/deep/file"),
    ]
    done = shell(lowers, "cat /srv/deep/file; touch /srv/open/x; touch /srv/closed/x", binds=binds)
    assert done.stdout == b"text"
    assert done.status != 0
    assert (open_directory / "open" / "x").exists()
    assert not (open_directory / "closed" / "x").exists()


def test_a_program_that_is_not_there_is_named(lowers):
    with pytest.raises(NotFoundError) as raised:
        run_confined(lowers, ["/opt/none"], environment={})
    assert raised.value.reference == "program-not-executable"
    assert "/opt/none" in raised.value.message


def test_a_missing_package_is_named(lowers, tmp_path):
    with pytest.raises(PlatformError) as raised:
        shell([*lowers, tmp_path / "gone"], "true")
    assert raised.value.reference == "overlay-unavailable"


def test_a_program_that_does_not_end_is_ended(lowers):
    with pytest.raises(PlatformError) as raised:
        shell(lowers, "while :; do :; done", timeout_s=0.3)
    assert raised.value.reference == "program-timeout"


def test_threads_may_run_programs_at_once(lowers):
    with ThreadPoolExecutor(8) as pool:
        outputs = [done.stdout for done in pool.map(lambda n: shell(lowers, f"echo {n}"), range(16))]
    assert outputs == [f"{number}\n".encode() for number in range(16)]


def test_no_mount_is_left(lowers):
    before = Path("/proc/self/mountinfo").read_text()
    shell(lowers, "true")
    assert Path("/proc/self/mountinfo").read_text() == before


def test_leaving_the_context_ends_the_program(lowers):
    with open_confined(lowers, ["/bin/sh", "-c", "echo on; cat"], binds=[USR], environment=PATH) as confined:
        assert confined.process.stdout.readline() == b"on\n"
    assert confined.process.returncode == -signal.SIGKILL


CALLER = """
import sys
from pathlib import Path
from breakbulk.store.confined import Bind, run_confined
bind = Bind(source=Path("/usr"), target="/usr")
fifo = Bind(source=Path(sys.argv[2]), target="/fifo", writable=True)
run_confined([Path(sys.argv[1])], ["/bin/sh", "-c", "exec 9>/fifo; echo on >&9; (sleep 600 >&9 & ); sleep 600"],
             binds=[bind, fifo], environment={"PATH": "/usr/bin"})
"""


def test_the_program_and_its_children_die_with_a_killed_caller(lowers, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    caller = subprocess.Popen([sys.executable, "-c", CALLER, str(lowers[0]), str(fifo)])
    guard = threading.Timer(30, caller.kill)
    guard.start()
    with fifo.open("rb") as reader:
        assert reader.readline() == b"on\n"
        caller.kill()
        caller.wait()
        began = time.monotonic()
        assert reader.read() == b""  # the end comes when no process holds the other side
        assert time.monotonic() - began < 10
    guard.cancel()
