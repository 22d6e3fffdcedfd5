"""A cluster whose parts are broken on purpose: a hub behind a gate, environments to push, and what a node may not lose.

Environments are of own sources: the program that every pod's sandbox runs, and some random bytes, so that neither
indices nor anybody else's machines are asked. Nodes have a store on a small disk of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "hub" / "support"))
sys.path.insert(0, str(Path(__file__).parents[2] / "faults" / "support"))

from control_plane import free_ports
from fault_gate import Gate
from fault_world import Site
from machines import Machine
from running_cluster import RunningCluster, bring_up

from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.cluster.pause import PROGRAMS
from breakbulk.cluster.places import NativePlace, NodeDirectories
from breakbulk.cluster.records import cluster_directory
from breakbulk.hub.backends import open_objects
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.records import Change

__all__ = ["PATIENCE_S", "BrokenCluster", "Object", "serving_hub", "small_disk"]

Object = dict[str, Any]
DISK_BYTES = 32 << 20
STUB = "docker.io/breakbulk/empty:1"
PATIENCE_S = 240.0
_IDENTIFIER = re.compile(
    r"[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=~)[0-9a-f]{16}\b|\b\d+(?:\.\d+){3}\b"
)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MANIFEST = """\
[install]
tool = {{ path = "./tool" }}
{installs}
[containerize.config]
cmd = ["pause"]

[options]
base = "none"
systems = ["{machine}-linux"]
{options}
"""


@dataclass
class BrokenCluster:
    """Two nodes: faults are made on the first, the second shall not notice.

    Attributes:
        cluster: It.
        hub: Directory of the hub.
        gate: In front of the service of the hub.
        archive: Of Debian packages.
        machine: That pushes, past the gate.

    """

    cluster: RunningCluster
    hub: Path
    gate: Gate
    archive: Site
    machine: Machine
    changes: dict[str, Change] = field(default_factory=dict)

    @property
    def first(self) -> str:
        return f"{self.cluster.name}-1"

    @property
    def second(self) -> str:
        return f"{self.cluster.name}-2"

    @cached_property
    def place(self) -> NativePlace:
        settings = self.cluster.settings
        return NativePlace(self.cluster.name, cluster_directory(settings.state.resolve(), self.cluster.name))

    @cached_property
    def hierarchies(self) -> Hierarchies:
        return Hierarchies.of_machine()

    @cached_property
    def programs(self) -> Path:
        return self.cluster.programs

    def node(self, name: str = "") -> NodeDirectories:
        return self.place.node(name or self.first)

    def push(self, name: str, size_bytes: int = 1000, installs: str = "", options: str = "") -> str:
        """Push the next generation of an environment of `ada`; return its reference by digest."""
        project = self.machine.directory / name
        machine = os.uname().machine
        if not project.exists():
            text = _MANIFEST.format(installs=installs, options=options, machine=machine)
            self.machine.project(name, text, data="")
            program = project / "tool" / "bin" / "pause"
            program.parent.mkdir()
            program.write_bytes(PROGRAMS[_ARCHITECTURES[machine]])
            program.chmod(0o755)
        (project / "tool" / "data").write_bytes(os.urandom(size_bytes))
        pushed = self.machine.push(project, f"ada/{name}")
        self.changes[name] = pushed.recorded.change
        return f"ada/{name}@{pushed.recorded.change.digest}"

    def objects(self, name: str, *, prepared: bool) -> list[Path]:
        """Return the files of the hub that hold the packages of what was pushed last, prepared or as archives."""
        change, opened = self.changes[name], Hub(open_objects(str(self.hub), self.machine.settings))
        system = f"{os.uname().machine}-linux"
        blobs = [each.blob.sha256 for each in opened.prepared(change, system).packages.values()]
        archives = [each.sha256 for each in opened.lock(change).systems[system].packages]
        found = (self.hub / object_key(each) for each in (blobs if prepared else archives))
        return [path for path in found if path.exists()]

    def run(self, *pods: Object) -> None:
        """Create pods, all in one call."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
        self.cluster.kubectl("create", "-f", "-", stdin=text)

    def wait(self, look: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
        return self.cluster.wait_for(look, timeout_s=timeout_s, what=what)

    def pods(self) -> dict[str, Object]:
        """Return all pods by name."""
        return {each["metadata"]["name"]: each for each in self.listed("pods")}

    def listed(self, kind: str, *options: str) -> list[Object]:
        """Return all objects of a kind; what kubectl says of a busy server is not among them."""
        command = [self.programs / "kubectl", f"--kubeconfig={self.cluster.kubeconfig}", "get", kind, "-o", "json"]
        done = subprocess.run([*command, *options], capture_output=True, check=True, timeout=PATIENCE_S)
        found: list[Object] = json.loads(done.stdout)["items"]
        return found

    def wait_running(self, *names: str, timeout_s: float = PATIENCE_S) -> None:
        def running() -> bool:
            pods = self.pods()
            return all(name in pods and _is_ready(pods[name]) for name in names)

        self.wait(running, f"{', '.join(names)} running", timeout_s)

    def events(self, pod: str) -> list[Object]:
        """Return the events of a pod, the oldest first."""
        options = [f"--field-selector=involvedObject.name={pod}", "--sort-by=.metadata.creationTimestamp"]
        return self.listed("events", *options)

    def wait_event(self, pod: str, *words: str, timeout_s: float = PATIENCE_S) -> str:
        """Return the message of an event of a pod that has all these words."""

        def said() -> str | None:
            messages = [f"{each['reason']}: {each.get('message', '')}" for each in self.events(pod)]
            return next((text for text in messages if all(word in text for word in words)), None)

        found: str = self.wait(said, f"an event of {pod} that says {words}", timeout_s)
        return found

    def remove(self, *names: str, grace_s: int = 1) -> None:
        """Delete pods and wait until they have gone."""
        if names:
            forced = () if grace_s else ("--force",)
            self.cluster.kubectl(
                "delete", "pod", *names, f"--grace-period={grace_s}", *forced, "--ignore-not-found", timeout_s=300
            )

    def process(self, component: str, node: str = "") -> int:
        """Return the process of a component."""
        wanted = (node or self.first, component)
        found = {(one.node, one.name): one.pid for one in self.cluster.status().components}[wanted]
        assert found, f"{component} does not run"
        return found

    def kill(self, component: str, node: str = "") -> None:
        os.kill(self.process(component, node), signal.SIGKILL)

    def mend(self) -> None:
        """Start again whatever is dead, as systemd would."""
        bring_up(self.cluster.settings, self.cluster.name)

    def children_of_agent(self, node: str = "") -> set[int]:
        """Return the processes that the agent has started."""
        group = self.place.component_group(node or self.first, "breakbulk-agent")
        return self.hierarchies.processes(group) - {self.process("breakbulk-agent", node)}

    def ctr(self, *words: str) -> str:
        """Return what `ctr` says of the first node."""
        socket = self.node().containerd_socket
        command = [self.programs / "ctr", "--address", socket, "-n", "k8s.io", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def leavings(self) -> dict[str, list[str]]:
        """Return everything of which pods make more on the first node."""
        here = self.node()
        places = (f"{here.directory}/", f"{here.runtime}/")
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        store, run = here.breakbulk / "store", here.runtime / "breakbulk"
        groups = (Path(one) for one in self.hierarchies.entrances(f"{self.place.control_group}/{here.name}"))
        found: dict[str, Iterable[str]] = {
            "mounts": (line.split()[4] for line in lines if any(each in line for each in places)),
            "snapshots": self.ctr("snapshots", "ls").splitlines(),
            "containers": self.ctr("containers", "ls", "-q").splitlines(),
            "tasks": self.ctr("tasks", "ls", "-q").splitlines(),
            "processes": self._processes(here.name),
            "control groups": (
                str(path) for one in groups for path in (one.parent / "kubepods").glob("**/") if path.is_dir()
            ),
            "addresses": _listed(here.directory / "cni" / f"breakbulk.{here.name}", but=("lock", "last_reserved_ip")),
            "half-made trees": _listed(store / "staging"),
            "pins": _listed(store / "roots" / "pins"),
            "records": [*_listed(run / "pods"), *_listed(here.breakbulk / "pods")],
            "half-made plans": [name for name in _listed(here.breakbulk / "plans") if not name.endswith(".json")],
            "bundles": [str(path) for path in (here.runtime / "containerd").glob("*task/k8s.io/*")],
            "volumes": _listed(here.kubelet / "pods"),
        }
        return {what: _nameless(names) for what, names in found.items()}

    def _processes(self, node: str) -> list[str]:
        """Return what runs on a node by name: components may be others than before."""
        names = []
        for process in self.hierarchies.processes(f"{self.place.control_group}/{node}"):
            with suppress(OSError):
                names.append(Path(f"/proc/{process}/comm").read_text().strip())
        return sorted(names)

    @contextmanager
    def leaving_nothing(self, *, restarted: bool = False) -> Iterator[None]:
        """Fail unless the first node is as before when the context ends, and no other pod was hurt.

        Those of the first node are, where it was `restarted`.
        """
        before = self.leavings()
        spared = {self.first} if restarted else set()
        others = {
            name: _lives(pod)
            for name, pod in self.pods().items()
            if _is_ready(pod) and pod["spec"]["nodeName"] not in spared
        }
        yield
        self._settle(before)
        pods = self.pods()
        assert {name: _lives(pods[name]) for name in others} == others

    def _settle(self, before: dict[str, list[str]]) -> None:
        """Wait until a node is as it was: kubelet and containerd take some seconds to tidy."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with suppress(subprocess.CalledProcessError):
                now = self.leavings()
                more = {what: _difference(now[what], before[what]) for what in before if now[what] != before[what]}
                if not more:
                    return
                assert time.monotonic() < deadline, f"{self.first} is not as it was (+ is left, - has gone): {more}"
            time.sleep(0.2)  # nobody tells when all of it has gone

    def pod(self, name: str, reference: str, node: str = "", **spec: Any) -> Object:
        """Return a pod of an environment."""
        container = {"name": "main", "image": STUB, "imagePullPolicy": "Never"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "annotations": {"breakbulk.dev/environment": reference}},
            "spec": {
                "runtimeClassName": "breakbulk",
                "nodeName": node or self.first,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
                **spec,
            },
        }


def _is_ready(pod: Object) -> bool:
    statuses = pod["status"].get("containerStatuses", [])
    return bool(statuses) and all(each["ready"] for each in statuses) and "deletionTimestamp" not in pod["metadata"]


def _lives(pod: Object) -> list[tuple[str, int, str]]:
    statuses = pod["status"].get("containerStatuses", [])
    return [(each["name"], each["restartCount"], each.get("containerID", "")) for each in statuses]


def _listed(directory: Path, but: Sequence[str] = ()) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if name not in but)
    except FileNotFoundError:
        return []


def _nameless(names: Iterable[str]) -> list[str]:
    """Return names without what differs between two of a kind: another sandbox of a pod has another identifier."""
    return sorted(_IDENTIFIER.sub("*", name) for name in names)


def _difference(now: list[str], before: list[str]) -> list[str]:
    more, fewer = list(now), list(before)
    for each in before:
        if each in more:
            more.remove(each)
            fewer.remove(each)
    return [f"+ {each}" for each in more] + [f"- {each}" for each in fewer]


@contextmanager
def serving_hub(directory: Path, home: Path) -> Iterator[int]:
    """Serve a hub by a process of its own, to everybody; give its port."""
    (port,) = free_ports(1)
    options = ["--hub", directory, "--state", home / "hub-service", "--public-read", "--address-rate", "5000/s:50000"]
    with (home / "hub.log").open("wb") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", "breakbulk", "hub", "serve", "--listen", f"127.0.0.1:{port}", *options],
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert service.stdout is not None
    try:
        assert b"serving" in service.stdout.readline(), (home / "hub.log").read_text()
        yield port
    finally:
        service.terminate()
        service.wait(60)
        service.stdout.close()


def small_disk(directory: Path, size_bytes: int = DISK_BYTES) -> None:
    """Mount a small disk, which goes with the cluster."""
    directory.mkdir(mode=0o700, parents=True)
    options = f"size={size_bytes},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "breakbulk-tests", directory], check=True)
