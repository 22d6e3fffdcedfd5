"""How the program ends, seen by whoever waits for it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from breakbulk.cli.start import like_the_command
from breakbulk.environment.signals import ExitStatus

ENDING = """
import atexit, sys, tempfile
from breakbulk.cli.start import like_the_command
from breakbulk.environment.signals import ExitStatus
directory = tempfile.TemporaryDirectory(dir=sys.argv[1])
print("said")
sys.exit(like_the_command(ExitStatus.of_signal(2)))
"""
INTERRUPTED = """
import os, signal, sys
from breakbulk.cli import start
from breakbulk.library import Environment
def interrupt(*_arguments, **_options):
    os.killpg(0, signal.SIGINT)  # as the terminal does
Environment.open = interrupt
sys.argv = ["breakbulk", *sys.argv[1:]]
sys.exit(start.main())
"""


@pytest.mark.parametrize("status", [0, 3, 130, ExitStatus(130), ExitStatus.of_signal(signal.SIGTERM)])
def test_a_status_is_returned(status: int) -> None:
    assert like_the_command(status) == status


def test_what_control_c_ended_is_ended_by_it_when_all_is_put_away(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ENDING, str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "said\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["lock", "realise", "list"])
def test_control_c_stops_the_loop_around_a_command(tmp_path: Path, command: str) -> None:
    loop = f'for turn in 1 2; do echo "turn $turn"; "$0" -c "$1" {command}; done; echo after'
    words = ["bash", "-c", loop, sys.executable, INTERRUPTED]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, start_new_session=True)
    assert "error[interrupted]" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == "turn 1\n"
    assert ended.returncode == -signal.SIGINT
