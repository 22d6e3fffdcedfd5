"""Programs of others: their output and status, and that nothing of them outlives the wish for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breakbulk.ecosystems.programs import run_program

FAMILY = """
import os, signal, subprocess, sys, time
from pathlib import Path
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sleep", "100"])
subprocess.Popen(["sleep", "100"], process_group=0)
subprocess.run(["sh", "-c", "sleep 100 >/dev/null 2>&1 & exit 0"])
Path(sys.argv[1]).touch()
time.sleep(100)
"""
"""A program that heeds no signal, with a child, a child in a group of its own, and one whose parent has ended."""

CALLER = """
import os, signal, sys, threading, time
from pathlib import Path
from breakbulk.ecosystems.programs import run_program
from breakbulk.ecosystems.source.scratch import scratch
def work():
    with scratch(Path(sys.argv[1])) as directory:
        run_program([sys.executable, "-c", sys.argv[3], sys.argv[2]], environment=os.environ, directory=directory)
def ready():
    while not os.path.exists(sys.argv[2]):
        time.sleep(0.01)
how = sys.argv[4]
if how == "interrupt":
    main = threading.get_ident()
    threading.Thread(target=lambda: (ready(), signal.pthread_kill(main, signal.SIGINT)), daemon=True).start()
    try:
        work()
    except KeyboardInterrupt:
        print("interrupted")
else:
    threading.Thread(target=work, daemon=True).start()
    ready()
    print("interrupted")
"""


def marked(mark: str) -> list[str]:
    """Return the living processes that have a mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if mark.encode() in (entry / "environ").read_bytes() and state != "Z":
                    found.append((entry / "cmdline").read_text())
            except OSError:
                continue
    return found


def test_output_and_status_are_returned(tmp_path: Path) -> None:
    words = ["sh", "-c", "pwd; cat; echo oh $WORD >&2; exit 3"]
    ended = run_program(
        words, environment={"WORD": "no", "PATH": os.environ["PATH"]}, directory=tmp_path, standard_input="read\n"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, f"{tmp_path}\nread\n", "oh no\n")


def test_a_program_that_is_not_there_is_the_callers_affair() -> None:
    with pytest.raises(FileNotFoundError):
        run_program(["/no/such/program"], environment={})


@pytest.mark.parametrize("how", ["interrupt", "end of the interpreter"])
def test_the_whole_family_ends_with_the_wish_for_it_and_its_directory_goes(tmp_path: Path, how: str) -> None:
    mark = f"BREAKBULK_TEST_FAMILY={tmp_path}"
    scratch, ready = tmp_path / "scratch", tmp_path / "ready"
    caller = subprocess.run(
        [sys.executable, "-c", CALLER, str(scratch), str(ready), FAMILY, how],
        env=os.environ | dict([mark.split("=", 1)]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (caller.returncode, caller.stdout, caller.stderr) == (0, "interrupted\n", "")
    assert marked(mark) == []
    assert list(scratch.iterdir()) == []
