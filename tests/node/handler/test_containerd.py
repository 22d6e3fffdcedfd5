"""The handler under a real containerd: its snapshots, its shim, what it makes of refusals, and what it removes."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from runc_containers import USERS, user_namespace

from breakbulk.cluster.images import stub_archive
from breakbulk.settings import Settings

pytestmark = pytest.mark.cluster

STUB = "docker.io/breakbulk/empty:1"
CONFIGURATION = """\
version = 3
root = "{place}/root"
state = "{place}/state"
disabled_plugins = ["io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"]
[grpc]
address = "{place}/containerd.sock"
[ttrpc]
address = "{place}/containerd.sock.ttrpc"
"""
CRI = {
    "container-type": "container",
    "container-name": "main",
    "image-name": STUB,
    "sandbox-uid": "6f2f4c0e-7d4f-4a7e-9f7d-0f1f3d1c2b3a",
    "sandbox-namespace": "default",
    "sandbox-name": "pod-1",
}


class Containerd:
    """A containerd, asked by ctr(8)."""

    def __init__(self, place: Path, programs: Path, runtime: Path) -> None:
        self._words = [programs / "ctr", "--address", place / "containerd.sock", "--namespace", "k8s.io"]
        self._variables = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        self._runtime = runtime

    def ask(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*self._words, *words]
        return subprocess.run(command, env=self._variables, capture_output=True, text=True, check=False, timeout=60)

    def run(self, name: str, *command: str, options: tuple[str, ...] = (), environment: str = "ada/tool"):
        annotations = {f"io.kubernetes.cri.{key}": value for key, value in CRI.items()}
        annotations |= {"breakbulk.dev/environment": environment} if environment else {}
        words = [word for pair in annotations.items() for word in ("--annotation", "=".join(pair))]
        return self.ask("run", "--runc-binary", self._runtime, *words, *options, STUB, name, *command)


@pytest.fixture
def containerd(node, wait_until) -> Iterator[Containerd]:
    """A containerd with the stub image."""
    (programs, *_) = sorted(Settings.load(os.environ).kubernetes.glob("v*/bin"), reverse=True)
    place = node.directory / "containerd"
    place.mkdir()
    (place / "config.toml").write_text(CONFIGURATION.format(place=place))
    asking = Containerd(place, programs, node.runtime)
    with (place / "log").open("wb") as log:
        words = [programs / "containerd", "--config", place / "config.toml"]
        process = subprocess.Popen(words, env=asking._variables, stdout=log, stderr=log)
    try:
        wait_until(lambda: asking.ask("version").returncode == 0)
        stub_archive(place / "stub.tar", [STUB])
        assert asking.ask("images", "import", "--local", place / "stub.tar").returncode == 0
        yield asking
    finally:
        process.terminate()
        process.wait()


def test_a_container_from_its_start_to_its_removal(node, containerd, wait_until):
    node.plan(hook="export FROM_HOOK=1")
    assert containerd.run("once", options=("--rm",)).stdout == "tool of the environment: by default\n"
    assert containerd.run("long", "sleep", "600", options=("--detach",)).returncode == 0
    entered = containerd.ask("tasks", "exec", "--exec-id", "e", "long", "sh", "-c", "echo $FROM_HOOK; tool within")
    assert entered.stdout == "1\ntool of the environment: within\n"
    containerd.ask("tasks", "kill", "--signal", "9", "long")
    wait_until(lambda: "STOPPED" in containerd.ask("tasks", "list").stdout)
    containerd.ask("tasks", "delete", "long")
    containerd.ask("containers", "delete", "long")
    assert node.mounts() == []
    snapshots = containerd.ask("snapshots", "list").stdout
    assert "Active" not in snapshots


def test_layers_that_containerd_has_mapped_for_a_user_namespace(node, containerd):
    mapping = f"0:{USERS[0]}:{USERS[1]}"
    with user_namespace() as held:
        options = ("--rm", "--uidmap", mapping, "--gidmap", mapping, "--remap-labels", "--with-ns", f"user:{held}")
        script = "touch /mine; stat -c %u:%g /mine /usr/bin/bash; tool inside"
        ended = containerd.run("mapped", "sh", "-c", script, options=options)
    assert ended.stdout == "0:0\n0:0\ntool of the environment: inside\n", ended.stderr
    assert node.mounts() == []


def test_what_is_refused_is_what_containerd_says(node, containerd):
    ended = containerd.run("refused", "sh", environment="")
    assert ended.returncode != 0
    assert "OCI runtime create failed: breakbulk: environment-missing: the image is a stub" in ended.stderr
    containerd.ask("containers", "delete", "refused")
    assert node.mounts() == []
