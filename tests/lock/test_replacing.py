"""A file is replaced whole or not at all, and what killed processes leave is removed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from breakbulk.lock.files import write_lock
from breakbulk.lock.model import LOCK_VERSION, Lock
from breakbulk.lock.replacing import half_made, replace_file

KILLED = """
import os, signal, sys
from pathlib import Path
from breakbulk.lock.replacing import replace_file
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
replace_file(Path(sys.argv[1]), b"half", 0o644)
"""


def names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


@pytest.fixture
def abandoned(tmp_path: Path) -> Path:
    """A directory in which a process was killed while it replaced `breakbulk.lock`."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "breakbulk.lock")], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half"
    return tmp_path


def test_what_a_killed_process_left_goes_when_any_file_there_is_replaced(abandoned: Path) -> None:
    (abandoned / ".breakbulk.lock.swp").touch()  # an editor's
    replace_file(abandoned / "breakbulk.toml", b"new", 0o644)
    assert names(abandoned) == {"breakbulk.toml", ".breakbulk.lock.swp"}


def test_it_goes_too_when_the_lock_is_up_to_date(tmp_path: Path) -> None:
    lock = Lock(lock_version=LOCK_VERSION, manifest={}, inputs={}, systems={})
    assert write_lock(tmp_path / "breakbulk.lock", lock)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "breakbulk.lock")], check=False)
    assert len(names(tmp_path)) == 2
    assert not write_lock(tmp_path / "breakbulk.lock", lock)
    assert names(tmp_path) == {"breakbulk.lock"}


def test_what_another_still_writes_stays(tmp_path: Path) -> None:
    with half_made(tmp_path / "file") as temporary:
        temporary.write_bytes(b"slow")
        replace_file(tmp_path / "file", b"fast", 0o644)
        other = "import sys; from pathlib import Path; from breakbulk.lock.replacing import *; "
        other += "replace_file(Path(sys.argv[1]), b'other', 0o644)"
        subprocess.run([sys.executable, "-c", other, str(tmp_path / "file")], check=True)
        assert (tmp_path / "file").read_bytes() == b"other"
        assert temporary.exists()
    assert (tmp_path / "file").read_bytes() == b"slow"
    assert names(tmp_path) == {"file"}


def test_content_and_mode_are_replaced(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replace_file(path, b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "file", b"new", 0o644)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
