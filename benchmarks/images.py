"""The peer: an image of the same content, with buildah, a registry on loopback, and podman."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Engine", "registry"]

# crun refuses hybrid cgroups and raising limits above the hard one: runc, and the limits that we have.
LIMITS = [
    f"--ulimit={name}={value}:{value}"
    for name, value in (("nofile", min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])), ("nproc", 1000))
]


class Engine:
    """buildah and podman over a storage directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._run = tempfile.mkdtemp(prefix="bb-")  # podman takes no longer path than 50 characters
        self.storage = ["--root", str(directory / "storage"), "--runroot", self._run]
        self.environment = {**os.environ, "STORAGE_DRIVER": "overlay", "TMPDIR": str(directory)}
        directory.mkdir(parents=True, exist_ok=True)

    def build(self, context: Path, tag: str, *, layers: bool = True) -> None:
        """Build `context/Dockerfile`."""
        self._call(
            "buildah", *self.storage, "bud", "--isolation", "chroot", "--network", "host", "--quiet",
            f"--layers={str(layers).lower()}", "--tls-verify=false", "-t", tag, str(context),
        )  # fmt: skip

    def push(self, tag: str) -> None:
        """Push to the registry that the tag names."""
        self._call("buildah", *self.storage, "push", "--quiet", "--tls-verify=false", tag)

    def pull(self, tag: str) -> None:
        """Pull from the registry that the tag names."""
        self._call("podman", *self.storage, "pull", "--quiet", "--tls-verify=false", tag)

    def run(self, tag: str, *command: str) -> str:
        """Run a command in a fresh container, with the host's network, and return what it prints."""
        return self._call(
            "podman", *self.storage, "--cgroup-manager", "cgroupfs", "--runtime", "runc", "run", "--rm",
            "--network", "host", "--tls-verify=false", *LIMITS, tag, *command,
        )  # fmt: skip

    def remove(self) -> None:
        """Remove the storage and its mounts."""
        storage = self.directory / "storage" / "overlay"
        if storage.is_mount():
            subprocess.run(["umount", str(storage)], check=False)
        for directory in (self.directory, self._run):
            shutil.rmtree(directory, ignore_errors=True)

    def _call(self, *arguments: str) -> str:
        done = subprocess.run(arguments, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments[:6])} ... failed:\n{done.stderr[-2000:]}")
        return done.stdout


@contextmanager
def registry(address: str = "127.0.0.1", program: str | Path = "docker-registry") -> Iterator[str]:
    """Serve an empty registry on an address of this machine and yield its `host:port`."""
    with tempfile.TemporaryDirectory(prefix="breakbulk-registry-") as directory:
        with socket.socket() as probe:
            probe.bind((address, 0))
            port = probe.getsockname()[1]
        configuration = Path(directory, "config.yml")
        configuration.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
            f"http: {{addr: '{address}:{port}'}}\n"
        )
        server = subprocess.Popen(
            [program, "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait(f"http://{address}:{port}/v2/")
            yield f"{address}:{port}"
        finally:
            server.terminate()
            server.wait()


def _wait(url: str, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            opener.open(url, timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"the registry did not start at {url}") from None
            time.sleep(0.05)
        else:
            return
