"""What opening a hub costs, and what it leaves in the process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breakbulk.errors import UsageError
from breakbulk.hub.backends import open_objects
from breakbulk.settings import Settings

DEADLINE_S = 60

_DIRECTORY = """
import os, sys
from breakbulk.hub.opening import open_hub
from breakbulk.settings import Settings
hub = open_hub(Settings.load(os.environ), sys.argv[1])
hub.objects.create("a", b"1")
assert hub.objects.get("a") == b"1"
print(*{name.partition(".")[0] for name in sys.modules} & {"obstore", "httpx2", "litestar"})
"""

_FORK = """
import os, sys, threading
from breakbulk.hub.backends import open_objects
from breakbulk.settings import Settings
settings = Settings.load(os.environ)
memory, directory = open_objects("memory://fork", settings), open_objects(sys.argv[1], settings)
threads = [threading.Thread(target=memory.create, args=(f"a/{n}", b"x" * 100_000)) for n in range(16)]
for thread in threads:
    thread.start()
children = []
for number in range(20):
    child = os.fork()
    if child == 0:
        directory.create(f"of-child/{number}", b"1")
        sys.exit(0) if number % 2 else os._exit(0)
    children.append(child)
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 20
for thread in threads:
    thread.join()
assert len(list(memory.list("a/"))) == 16
assert len(list(directory.list("of-child/"))) == 20
"""


def run(script: str, *arguments: str | Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    ).stdout


def test_a_directory_needs_no_library_of_the_network(tmp_path: Path) -> None:
    assert run(_DIRECTORY, tmp_path / "hub").split() == []


def test_a_process_may_fork_while_and_after_objects_are_used(tmp_path: Path) -> None:
    run(_FORK, tmp_path / "hub")


def test_a_memory_is_one_per_name(settings: Settings) -> None:
    open_objects("memory://here", settings).create("a", b"1")
    assert open_objects("memory://here", settings).get("a") == b"1"
    assert open_objects("memory://there", settings).stat("a") is None


def test_paths_are_relative_to_where_one_is(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_objects("hub", settings).url == os.fspath(tmp_path / "hub")
    assert open_objects(f"file://{tmp_path}/hub", settings).url == os.fspath(tmp_path / "hub")


def test_an_address_that_is_none(settings: Settings) -> None:
    with pytest.raises(UsageError, match="hub-address-invalid"):
        open_objects("s4://bucket", settings)
