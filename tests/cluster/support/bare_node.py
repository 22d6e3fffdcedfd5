"""A cluster of one node that nobody has prepared, a hub that asks for credentials, and whoever pushes to it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running_cluster import RunningCluster
from s3_server import S3Server, serving_s3

from breakbulk.cluster.images import STUB_NAMES
from breakbulk.cluster.pause import PROGRAMS
from breakbulk.cluster.places import NativePlace, NodeDirectories
from breakbulk.cluster.records import cluster_directory
from breakbulk.store import linux

NAMESPACE = "breakbulk-system"
AGENT = f"system:serviceaccount:{NAMESPACE}:breakbulk-agent"
PATIENCE_S = 240.0

_COMMAND = str(Path(sys.executable).with_name("breakbulk"))
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MANIFEST = """\
[install]
tool = {{ path = "./tool" }}

[options]
base = "none"
systems = ["{machine}-linux"]

[containerize.config]
cmd = ["/opt/tool/bin/pause"]
"""


@dataclass(frozen=True)
class BareNode:
    """The node, and short ways to do what users do with it."""

    cluster: RunningCluster
    hub: S3Server
    bucket: str
    people: Path

    @property
    def name(self) -> str:
        return f"{self.cluster.name}-1"

    @property
    def place(self) -> NodeDirectories:
        return directories(self.cluster)

    @property
    def directory(self) -> Path:
        """Where the program comes to on the node."""
        return self.place.directory / "opt"

    @property
    def paths(self) -> list[str]:
        """Options that say where things of this node are; those of a provider's need none."""
        programs, run = self.cluster.programs, self.place.runtime
        return [
            f"--state={self.place.breakbulk}",
            f"--run={run / 'breakbulk'}",
            f"--runc={programs / 'runc'}",
            f"--containerd={programs / 'containerd'}",
            f"--containerd-config={self.place.containerd_configuration}",
            f"--containerd-socket={self.place.containerd_socket}",
        ]

    def manifest(self, version: str, *options: str) -> str:
        """Return what is given to `kubectl apply`."""
        image = f"--image=docker.io/breakbulk/node:{version}"
        hub, directory = f"--hub=s3://{self.bucket}/team", f"--directory={self.directory}"
        return breakbulk("node", "manifest", image, hub, directory, *self.paths, *options)

    def ctr(self, *words: object) -> str:
        program, socket = self.cluster.programs / "ctr", self.place.containerd_socket
        command = [program, "--address", socket, "-n", "k8s.io", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def look(self) -> dict[str, Any]:
        """Return the node as the API server has it."""
        return self.cluster.get("node", self.name)

    def runtimes(self) -> set[str]:
        """Return the runtimes that kubelet sees."""
        return {one["name"] for one in self.look()["status"].get("runtimeHandlers", ())}

    def condition(self) -> tuple[str, str]:
        """Return status and reason of what the agent says of the node."""
        conditions = self.look()["status"]["conditions"]
        return next(((c["status"], c["reason"]) for c in conditions if c["type"] == "BreakbulkReady"), ("", ""))

    def configuration(self) -> dict[str, bytes]:
        """Return every file that containerd is configured by."""
        directory = self.place.containerd_configuration.parent
        return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}

    def agents(self) -> list[dict[str, Any]]:
        """Return the agent's pods that are not about to go."""
        found = json.loads(self.cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json"))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def await_agent(self, image: str = "", but: str = "") -> dict[str, Any]:
        """Return the agent's pod once it is ready, of an image that ends so, and not the one with a uid."""

        def look() -> dict[str, Any] | None:
            for pod in self.agents():
                ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
                if ready and pod["spec"]["containers"][0]["image"].endswith(image) and pod["metadata"]["uid"] != but:
                    return pod
            return None

        found = self.cluster.wait_for(look, timeout_s=PATIENCE_S, what="the agent is ready")
        assert found is not None
        return found

    def push(self, name: str, *options: str) -> None:
        """Push an environment as Ada: a program that waits, and one that says which version it is."""
        project = self.people / name.replace("/", "-")
        programs = project / "tool" / "bin"
        programs.mkdir(parents=True)
        machine = os.uname().machine
        (project / "breakbulk.toml").write_text(_MANIFEST.format(machine=machine))
        (programs / "pause").write_bytes(PROGRAMS[_ARCHITECTURES[machine]])
        (programs / "told").write_bytes((self.cluster.programs / "cni" / "loopback").read_bytes())
        for program in programs.iterdir():
            program.chmod(0o755)
        with inside(self.place.network_namespace):
            breakbulk("push", name, *options, cwd=project, **self.person("ada"))

    def person(self, name: str) -> dict[str, str]:
        """Return the variables of somebody's machine."""
        own = {word: str(self.people / name / word.lower()) for word in ("STORE", "CACHE", "CONFIGURATION")}
        settings = {f"BREAKBULK_{word}": path for word, path in own.items()}
        return {**settings, "BREAKBULK_HUB": f"s3://{self.bucket}/team", **self.hub.environment}

    def pod(self, name: str, environment: str) -> dict[str, Any]:
        """Return a pod that Kubernetes places."""
        container = {"name": "main", "image": STUB_NAMES[0], "imagePullPolicy": "Never"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "annotations": {"breakbulk.dev/environment": environment}},
            "spec": {
                "runtimeClassName": "breakbulk",
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
            },
        }

    def events(self, pod: str) -> str:
        return self.cluster.kubectl("get", "events", "--field-selector", f"involvedObject.name={pod}", "-o", "wide")


@contextmanager
def bare_node(cluster: RunningCluster, home: Path) -> Iterator[BareNode]:
    """Give the node of a cluster, and a hub on the node's own loopback interface."""
    with inside(directories(cluster).network_namespace):
        serving = serving_s3(home / "hub")
        hub = serving.__enter__()
    try:
        yield BareNode(cluster, hub, hub.new_bucket(), home / "people")
    finally:
        serving.__exit__(None, None, None)


@contextmanager
def inside(network: Path) -> Iterator[None]:
    """Be in a network namespace, and whoever is started with us."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    other = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        linux.setns(other, linux.CLONE_NEWNET)
        yield
    finally:
        linux.setns(own, linux.CLONE_NEWNET)
        os.close(own)
        os.close(other)


def directories(cluster: RunningCluster) -> NodeDirectories:
    """Return where things of the only node are."""
    state = cluster_directory(cluster.settings.state.resolve(), cluster.name)
    return NativePlace(cluster.name, state).node(f"{cluster.name}-1")


def breakbulk(*arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Run the command line and return what it prints."""
    done = subprocess.run(
        [_COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout
