"""How the program ends, seen by whoever waits for it."""

import os
import signal

import pytest

from breakbulk.cli.start import like_the_command
from breakbulk.environment.signals import ExitStatus


def ending(status: int) -> int:
    """Return the wait status of a process that ends as the program does, as `subprocess` gives it."""
    child = os.fork()
    if child == 0:
        os._exit(like_the_command(status))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("status", [0, 3, 130, ExitStatus(130), ExitStatus.of_signal(signal.SIGTERM)])
def test_a_status_is_returned(status: int) -> None:
    assert ending(status) == status


def test_what_control_c_ended_is_ended_by_it() -> None:
    assert ending(ExitStatus.of_signal(signal.SIGINT)) == -signal.SIGINT
