"""A containerd that only one test talks to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from control_plane import binaries

__all__ = ["OwnContainerd", "own_containerd"]


@dataclass(frozen=True)
class OwnContainerd:
    """A containerd that answers."""

    program: Path
    socket: Path

    def ctr(self, *words: str | Path) -> str:
        """Return what `ctr` prints."""
        command = [self.program.with_name("ctr"), "--address", self.socket, "--namespace", "k8s.io", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def own_containerd(directory: Path) -> Iterator[OwnContainerd]:
    """Start a containerd without Kubernetes' plugins, and end it."""
    configuration, socket, log = (directory / name for name in ("config.toml", "c.sock", "log"))
    configuration.write_text('version = 3\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    made = OwnContainerd(binaries() / "containerd", socket)
    command = [made.program, "--config", configuration, "--root", directory / "root", "--state", directory / "state"]
    with log.open("wb") as file:
        daemon = subprocess.Popen([*command, "--address", socket], stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 30
        while not socket.exists():
            assert daemon.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield made
    finally:
        daemon.terminate()
        daemon.wait()
