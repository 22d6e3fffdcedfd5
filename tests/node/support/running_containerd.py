"""A containerd that a test starts and stops."""

import contextlib
import subprocess
import time
from pathlib import Path

from breakbulk.node.installing.containerd import answering
from breakbulk.node.place import NodePlace


class RunningContainerd:
    """The containerd of a place, started and stopped by the test; `restarts` counts."""

    def __init__(self, place: NodePlace, log: Path) -> None:
        self._place = place
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.restarts = 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._place.containerd, "--config", self._place.containerd_config], stdout=log, stderr=log
            )
        end = time.monotonic() + 60
        while answering(self._place.containerd_socket) is None:
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < end, "containerd does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and wait for that."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Do what `systemctl restart` does."""
        self.restarts += 1
        self.stop()
        self.start()
