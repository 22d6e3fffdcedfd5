import os
import signal
import threading

import pytest

from breakbulk.cli.ending import Terminated, ending_tidily


def test_termination_is_an_exception_once() -> None:
    with pytest.raises(Terminated), ending_tidily():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_whoever_ignores_termination_goes_on_to() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ending_tidily():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_fork_dies_as_it_would_have() -> None:
    with ending_tidily():
        child = os.fork()
        if child == 0:
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_in_another_thread_nothing_is_done() -> None:
    outcome = []

    def work() -> None:
        with ending_tidily():
            outcome.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcome == [signal.SIG_DFL]
