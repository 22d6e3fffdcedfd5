import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from breakbulk.ecosystems.source.scratch import scratch


def hold(parent: Path, sender: Connection) -> None:
    with scratch(parent) as directory:
        (directory / "half-made").write_text("x")
        sender.send(directory)
        signal.pause()


def test_what_a_killed_process_leaves_is_removed_by_the_next_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=hold, args=(tmp_path, sender))
    process.start()
    held = receiver.recv()
    with scratch(tmp_path) as own:
        assert held.exists()
        assert os.listdir(own) == []
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert held.exists()
    with scratch(tmp_path):
        assert not held.exists()
    assert list(tmp_path.iterdir()) == []
