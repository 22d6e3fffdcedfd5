"""Claims exclude threads and processes alike, and come back when their holder dies."""

import os
import signal
import threading

from breakbulk.store.claims import Claims

ONE, OTHER = "a" * 32, "b" * 32


def test_a_claim_is_had_once(tmp_path):
    with Claims(tmp_path / "claims") as first, Claims(tmp_path / "claims") as second:
        assert first.attempt(ONE)
        assert first.attempt(ONE), "taking one's own again changes nothing"
        assert not second.attempt(ONE)
        assert second.attempt(OTHER)
        first.release(ONE)
        assert not first.holds(ONE)
        assert second.attempt(f"{ONE}-name-1"), "a name stands for its key"


def test_leaving_gives_everything_back(tmp_path):
    with Claims(tmp_path / "claims") as first:
        first.attempt(ONE)
    with Claims(tmp_path / "claims") as second:
        assert second.attempt(ONE)


def test_waiting_ends_when_the_holder_is_killed(tmp_path):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with Claims(tmp_path / "claims") as held:
            held.attempt(ONE)
            os.write(writing, b"held")
            signal.pause()
    os.read(reading, 4)
    with Claims(tmp_path / "claims") as ours:
        assert not ours.attempt(ONE)
        waiter = threading.Thread(target=ours.wait, args=(ONE,))
        waiter.start()
        os.kill(child, signal.SIGKILL)
        waiter.join(10)
        assert ours.holds(ONE)
    os.waitpid(child, 0)


def test_threads_exclude_each_other(tmp_path):
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(50):
            with Claims(tmp_path / "claims") as claims:
                claims.wait(ONE)
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) == 400
