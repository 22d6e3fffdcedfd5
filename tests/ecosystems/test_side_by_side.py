import subprocess
import sys
import threading

import pytest

from breakbulk.ecosystems.side_by_side import side_by_side


def test_results_are_in_the_order_of_the_items() -> None:
    later = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert later.wait(10)
        else:
            later.set()
        return number * 10

    assert side_by_side(work, range(3), threads=2) == [0, 10, 20]


def test_nothing_is_begun_after_a_failure() -> None:
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        side_by_side(work, range(50), threads=1)
    assert begun == [0]


def test_nothing_to_do() -> None:
    assert side_by_side(len, [], threads=4) == []


def test_control_c_does_not_wait_for_what_is_stuck() -> None:
    program = """
import _thread, sys, threading
from breakbulk.ecosystems.side_by_side import side_by_side
def stuck(_):
    _thread.interrupt_main()
    threading.Event().wait()
try:
    side_by_side(stuck, [1], threads=1)
except KeyboardInterrupt:
    sys.exit(130)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=20, check=False).returncode == 130
