"""Containers as containerd makes them: a snapshot mounted in a bundle, a configuration, and calls of an OCI runtime.

What containerd's shim does around runc is done here in the same order and with the same command lines (go-runc), so the
runtime handler meets what it meets on a node, without a Kubernetes. The first process of a container becomes a child of
whoever runs the tests, as it becomes the shim's.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAPABILITIES = [
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID"),
    *("CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL"),
]
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
        "destination": "/dev/pts",
        "type": "devpts",
        "source": "devpts",
        "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    },
]
USERS = (200000, 65536)
"""First and number of the users of this machine that are those of a user namespace."""

_SUBREAPER = 36


@dataclass
class Ended:
    """What came of a process: its status (None where it never started), what it wrote, and runc's log."""

    status: int | None
    output: str = ""
    errors: str = ""
    log: list[dict] = field(default_factory=list)

    @property
    def message(self) -> str:
        """What containerd would put into an event."""
        return next((line["msg"] for line in reversed(self.log) if line["level"] == "error"), "")


class Container:
    """A container of a pod.

    Args:
        directory: Of the test; bundles and snapshots are made in it.
        runtime: What containerd calls in the place of runc.

    """

    def __init__(
        self,
        directory: Path,
        runtime: Path,
        *,
        args: Sequence[str] = ("breakbulk-default-command",),
        env: Sequence[str] = (),
        annotations: Mapping[str, str] | None = None,
        kind: str = "container",
        name: str = "main",
        image: str = "docker.io/breakbulk/empty:1",
        uid: str = "6f2f4c0e-7d4f-4a7e-9f7d-0f1f3d1c2b3a",
        user: Mapping[str, object] | None = None,
        directory_inside: str = "/",
        read_only: bool = False,
        layers: Sequence[Path] = (),
        user_namespace: str = "",
    ) -> None:
        self.id = f"breakbulk-test-{uuid.uuid4().hex[:12]}"
        self.runtime = runtime
        self.directory = directory
        self.bundle = directory / "task" / self.id
        self.rootfs = self.bundle / "rootfs"
        self.snapshot = directory / "snapshots" / self.id
        self.layers = list(layers)
        self.user_namespace = user_namespace
        self.configuration = {
            "ociVersion": "1.0.2-dev",
            "process": {
                "user": dict(user or {"uid": 0, "gid": 0, "additionalGids": [0]}),
                "args": list(args),
                "env": [PATH, "HOSTNAME=pod-1", *env],
                "cwd": directory_inside,
                "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
                "noNewPrivileges": False,
            },
            "root": {"path": "rootfs", "readonly": read_only},
            "mounts": MOUNTS,
            "annotations": {
                "io.kubernetes.cri.container-type": kind,
                "io.kubernetes.cri.container-name": name,
                "io.kubernetes.cri.image-name": image,
                "io.kubernetes.cri.sandbox-uid": uid,
                "io.kubernetes.cri.sandbox-namespace": "default",
                "io.kubernetes.cri.sandbox-name": "pod-1",
                **(annotations or {}),
            },
            "linux": {
                "cgroupsPath": f"/breakbulk-test/{self.id}",
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "maskedPaths": ["/proc/kcore"],
            },
        }
        if user_namespace:
            self.configuration["linux"]["namespaces"].append({"type": "user", "path": user_namespace})
            ranges = [{"containerID": 0, "hostID": USERS[0], "size": USERS[1]}]
            self.configuration["linux"] |= {"uidMappings": ranges, "gidMappings": ranges}

    def prepare(self, *, owner: int = 0, options: str = "") -> None:
        """Do what containerd does before it calls the runtime: mount the snapshot, describe the container."""
        for folder in (self.rootfs, self.snapshot / "fs", self.snapshot / "work"):
            folder.mkdir(parents=True)
        os.chown(self.snapshot / "fs", owner, owner)
        stub = self.directory / "snapshots" / "1" / "fs"
        stub.mkdir(parents=True, exist_ok=True)
        lowers = ":".join(map(str, [*self.layers, stub]))
        words = f"lowerdir={lowers},upperdir={self.snapshot}/fs,workdir={self.snapshot}/work{options}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", words, self.rootfs], check=True)
        (self.bundle / "config.json").write_text(json.dumps(self.configuration))

    def command(self, *words: str | Path) -> list[str | Path]:
        """Return the command line that containerd's shim has for a verb."""
        root = ["--root", self.directory / "runc", "--log", self.bundle / "log.json", "--log-format", "json"]
        return [self.runtime, *root, *words]

    def create(self, *, runtime_output: Path | None = None) -> Ended:
        """Create it; its output goes to files."""
        words = ["create", "--bundle", self.bundle, "--pid-file", self.bundle / "init.pid", self.id]
        with (self.bundle / "output").open("wb") as output, (self.bundle / "errors").open("wb") as errors:
            done = subprocess.run(
                self.command(*words), stdin=subprocess.DEVNULL, stdout=output, stderr=errors, check=False, timeout=60
            )
        return self._ended(done.returncode)

    def start(self) -> None:
        """Start it."""
        subprocess.run(self.command("start", self.id), check=True, timeout=60)

    def wait(self) -> Ended:
        """Wait until its first process has ended."""
        first = int((self.bundle / "init.pid").read_text())
        with contextlib.closing(_Descriptor(os.pidfd_open(first))) as process:
            assert select.select([process], [], [], 60)[0], "the container has not ended within 60 s"
        _, status = os.waitpid(first, 0)
        return self._ended(os.waitstatus_to_exitcode(status))

    def run(self) -> Ended:
        """Create and start it, and wait for its end."""
        created = self.create()
        if created.status != 0:
            return Ended(None, created.output, created.errors, created.log)
        self.start()
        return self.wait()

    @property
    def known(self) -> bool:
        """Whether runc has created it."""
        return (self.directory / "runc" / self.id).exists()

    def exec(self, *args: str, env: Sequence[str] = (), process: Mapping[str, object] | None = None) -> Ended:
        """Run a process in it, described as containerd describes it: from what it was told of the container."""
        wanted = {**self.configuration["process"], "args": list(args), **(process or {})}
        wanted["env"] = [*wanted["env"], *env]
        with tempfile.NamedTemporaryFile("w", prefix="runc-process", suffix=".json") as file:
            json.dump(wanted, file)
            file.flush()
            done = subprocess.run(
                self.command("exec", "--process", file.name, self.id),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        return Ended(done.returncode, done.stdout, done.stderr, self._log())

    def delete(self) -> None:
        """Remove it, as containerd does whatever has happened to it before."""
        subprocess.run(self.command("delete", "--force", self.id), check=False, timeout=60, capture_output=True)
        with contextlib.suppress(FileNotFoundError, ValueError, ChildProcessError):
            os.waitpid(int((self.bundle / "init.pid").read_text()), 0)
        while subprocess.run(["umount", self.rootfs], check=False, capture_output=True).returncode == 0:
            pass  # as UnmountRecursive of containerd: until nothing is mounted there
        shutil.rmtree(self.bundle, ignore_errors=True)
        shutil.rmtree(self.snapshot, ignore_errors=True)

    def _ended(self, status: int | None) -> Ended:
        output, errors = ((self.bundle / name).read_text(errors="replace") for name in ("output", "errors"))
        return Ended(status, output, errors, self._log())

    def _log(self) -> list[dict]:
        path = self.bundle / "log.json"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class _Descriptor:
    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        os.close(self._number)


@contextlib.contextmanager
def reaping() -> Iterator[None]:
    """Have processes that runc leaves behind become ours, as they become the shim's."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SUBREAPER, 0, 0, 0, 0)


@contextlib.contextmanager
def user_namespace() -> Iterator[str]:
    """Yield the file of a user namespace with `USERS`."""
    process = subprocess.Popen(["unshare", "--user", "--fork", "--kill-child", "cat"], stdin=subprocess.PIPE)
    try:
        held = Path(f"/proc/{process.pid}/ns/user")
        while held.readlink() == Path("/proc/self/ns/user").readlink():
            select.select([], [], [], 0.01)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{name}").write_text(f"0 {USERS[0]} {USERS[1]}\n")
        yield str(held)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()


@contextlib.contextmanager
def as_nobody(run: Path) -> Iterator[None]:
    """Have somebody who is not root listen at the agent's place, who says that everything is ready."""
    run.chmod(0o777)
    listening = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("listening", flush=True)
while True:
    connection, _ = listening.accept()
    connection.makefile("rb").readline()
    connection.sendall(b'{"ready": true}\\n')
    connection.close()
"""
    words = ["/usr/bin/python3", "-c", listening, str(run / "agent.sock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"listening\n"
            yield
        finally:
            process.kill()
