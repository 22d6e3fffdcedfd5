"""Clusters whose nodes are containers, made by kind; what makes their pods imageless is put there as into any other.

    <state>/clusters/NAME/cluster.json    what was asked for, and what was put into the cluster
                          kind.yaml       what kind was told
                          kubeconfig      of the administrator

kind chooses the port of the API server and has the nodes; a cluster keeps the number of nodes and the version that it
began with. Nodes are given the stub image, and the runtime classes; with an image of the agent (`--image`) all of
`node.installing.manifest`, which installs them. Counterparts: `container_engine`, `belongings`; https://kind.sigs.k8s.io.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from breakbulk.cluster.belongings import Belonging, belonging, install
from breakbulk.cluster.container_engine import Engine, find_engine
from breakbulk.cluster.images import stub_archive
from breakbulk.cluster.model import (
    ClusterRequest,
    ClusterStatus,
    ComponentStatus,
    DriverKind,
    LogSource,
    NodeStatus,
    node_names,
    state_of,
)
from breakbulk.cluster.node_reports import node_status
from breakbulk.cluster.recorded import RecordedDriver
from breakbulk.cluster.records import ClusterRecord, write_record
from breakbulk.errors import ClusterError, UsageError
from breakbulk.kubernetes.connection import Connection
from breakbulk.kubernetes.kinds import NODE
from breakbulk.lock.replacing import replace_file
from breakbulk.reporting import Reporter

__all__ = ["KindDriver", "KindRecord", "configuration", "log_command"]

_NODE_IMAGE = "docker.io/kindest/node"
_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)")
_UNITS = ("kubelet", "containerd")
_STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class KindRecord(ClusterRecord, frozen=True, kw_only=True):
    """What was asked for, and what was put into the cluster."""

    nodes: int
    mark: str
    kubernetes: str | None = None
    image: str | None = None
    belongings: tuple[Belonging, ...] = ()


class KindDriver(RecordedDriver[KindRecord]):
    """Keeps clusters that kind makes."""

    kind: DriverKind = "kind"
    record_type = KindRecord

    def up(self, request: ClusterRequest, reporter: Reporter) -> ClusterStatus:
        """Make a cluster, or start the containers of one that stopped.

        Raises:
            PlatformError: `kind-missing`, `engine-missing`, `engine-down`, `engine-forbidden`, `engine-full`.
            ClusterError: `cluster-differs`, `port-taken`, `node-image-missing`, `kind-failed`.
            UsageError: `cluster-name`, `cluster-nodes`, `kubernetes-version`.

        """
        recorded = self._recorded(request.name)
        objects = self._objects(request.image or (recorded.image if recorded else None))
        record = _decide(request, recorded, objects)
        engine = find_engine(self._settings.environment)
        write_record(self._directory(request.name), record)
        self._make(engine, request.name, record, reporter)
        replace_file(self._kubeconfig(request.name), _kubeconfig(engine, request.name), 0o600)
        if request.imageless is not False:
            _give_images(engine, request.name, record.image, reporter)
            self._ask(request.name, lambda connection: install(connection, objects, record.mark, reporter))
        return self.status(request.name)

    def status(self, name: str) -> ClusterStatus:
        """Look at the containers, and ask the API server; raise `NotFoundError`, `PlatformError`, `ClusterError`."""
        self._known(name)
        engine = find_engine(self._settings.environment)
        containers = tuple(_container(engine, node) for node in _nodes(engine, name))
        kubeconfig = self._kubeconfig(name)
        server, version, nodes = None, None, tuple(_silent(one) for one in containers)
        if kubeconfig.exists() and any(one.state == "running" for one in containers):
            server, version, nodes = self._ask(name, _look)
        return ClusterStatus(
            name=name,
            driver=self.kind,
            state=state_of(containers, nodes),
            kubernetes=version,
            server=server,
            kubeconfig=kubeconfig if kubeconfig.exists() else None,
            nodes=nodes,
            components=containers,
        )

    def down(self, name: str, reporter: Reporter) -> None:
        """Have kind remove the cluster, however far it came; raise `NotFoundError`, `PlatformError`, `ClusterError`."""
        self._known(name)
        engine = find_engine(self._settings.environment)
        engine.tell_kind("delete", "cluster", "--name", name, title=f"removing {name}", reporter=reporter)
        shutil.rmtree(self._directory(name))

    def log(self, name: str, component: str, node: str | None = None) -> LogSource:
        """Return the command that prints a log; raise `NotFoundError`, `PlatformError`, `UsageError`."""
        self._known(name)
        engine = find_engine(self._settings.environment)
        return log_command(engine.program, component, node, _nodes(engine, name))

    def _make(self, engine: Engine, name: str, record: KindRecord, reporter: Reporter) -> None:
        """Create the cluster unless kind has it; start those of its containers that do not run."""
        if name in engine.ask_kind("get", "clusters").split():
            for node in _nodes(engine, name):
                if _container(engine, node).state != "running":
                    engine.ask("start", node)
            return
        told, kubeconfig = self._directory(name) / "kind.yaml", self._kubeconfig(name)
        replace_file(told, yaml.safe_dump(configuration(record.nodes, record.kubernetes)).encode(), 0o600)
        words = ("create", "cluster", "--name", name, "--config", str(told), "--kubeconfig", str(kubeconfig))
        engine.tell_kind(*words, "--wait", "180s", title=f"making {name} with kind", reporter=reporter)


def configuration(nodes: int, kubernetes: str | None) -> dict[str, Any]:
    """Return what kind is told: the first node is the control plane's. Pure."""
    image = {"image": f"{_NODE_IMAGE}:v{kubernetes}"} if kubernetes else {}
    roles = ["control-plane", *["worker"] * (nodes - 1)]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": role, **image} for role in roles],
    }


def log_command(engine: str, component: str, node: str | None, nodes: Sequence[str]) -> tuple[str, ...]:
    """Return the command that prints the log of a component in its node's container. Pure.

    Raises:
        UsageError: `component-unknown`.

    """
    where = [one for one in nodes if component in _UNITS or (component in _STATIC and one.endswith("-control-plane"))]
    chosen = [one for one in where if node in {None, one}]
    if len(chosen) != 1:
        raise UsageError(
            f"{len(chosen)} nodes have a component {component!r}" if where else f"there is no component {component!r}",
            identifier="component-unknown",
            hint=f"give --node: {', '.join(where)}" if where else f"take one of {', '.join((*_STATIC, *_UNITS))}",
        )
    if component in _UNITS:
        return (engine, "exec", chosen[0], "journalctl", "--no-pager", "--unit", component)
    script = f'exec tail -n +1 "$@" /var/log/containers/{component}-*.log'
    return (engine, "exec", chosen[0], "sh", "-c", script, "sh")


def _decide(request: ClusterRequest, recorded: KindRecord | None, objects: Sequence[dict[str, Any]]) -> KindRecord:
    """Return what is written down; raise `ClusterError` where the cluster is another one than is asked for."""
    version = _whole_version(request.kubernetes)
    nodes = request.nodes or (recorded.nodes if recorded else 1)
    node_names(request.name, nodes)
    if recorded and (nodes != recorded.nodes or version not in {None, recorded.kubernetes}):
        raise ClusterError(
            f"there is a cluster {request.name!r} that differs from what is asked for",
            identifier="cluster-differs",
            why=f"it has {recorded.nodes} nodes and Kubernetes {recorded.kubernetes or 'as kind brings it'}",
            hint="take another name, or run `breakbulk cluster down` first",
        )
    before = recorded.belongings if recorded else ()
    return KindRecord(
        driver="kind",
        nodes=nodes,
        kubernetes=version or (recorded.kubernetes if recorded else None),
        image=request.image or (recorded.image if recorded else None),
        mark=recorded.mark if recorded else uuid.uuid4().hex,
        belongings=tuple(dict.fromkeys((*before, *map(belonging, objects)))),
    )


def _whole_version(kubernetes: str | None) -> str | None:
    if kubernetes is None:
        return None
    found = _VERSION.fullmatch(kubernetes)
    if found is None:
        raise UsageError(
            "kind takes whole versions",
            identifier="kubernetes-version",
            where=f"--kubernetes {kubernetes[:50]}",
            why="its images of nodes are named by them",
            hint="write it with three numbers, as 1.35.0, or leave it out",
        )
    return found.group(1)


def _kubeconfig(engine: Engine, name: str) -> bytes:
    return engine.ask_kind("get", "kubeconfig", "--name", name).encode()


def _nodes(engine: Engine, name: str) -> list[str]:
    return sorted(engine.ask_kind("get", "nodes", "--name", name).split())


def _container(engine: Engine, node: str) -> ComponentStatus:
    state = engine.ask("inspect", "--type", "container", "--format", "{{.State.Running}}", node).strip()
    return ComponentStatus(name=engine.name, node=node, state="running" if state == "true" else "stopped")


def _silent(container: ComponentStatus) -> NodeStatus:
    return NodeStatus(name=container.node or "", is_ready=False, why="no container of the cluster runs")


def _give_images(engine: Engine, name: str, image: str | None, reporter: Reporter) -> None:
    """Bring the stub to every node, and the agent's image if the engine has it; else nodes pull that themselves."""
    with tempfile.TemporaryDirectory(prefix="breakbulk-") as directory:
        archive = Path(directory) / "stub.tar"
        stub_archive(archive)
        for node in _nodes(engine, name):
            importing = ("ctr", "--namespace", "k8s.io", "images", "import", "--local", "-")
            engine.ask("exec", "--interactive", node, *importing, stdin=archive)
    if image and engine.ask("images", "--quiet", image).strip():
        words = ("load", "docker-image", image, "--name", name)
        engine.tell_kind(*words, title=f"loading {image}", reporter=reporter)


async def _look(connection: Connection) -> tuple[str, str, tuple[NodeStatus, ...]]:
    version = str((await connection.get("/version"))["gitVersion"])
    nodes = (await connection.get(NODE.path()))["items"]
    return connection.server, version, tuple(map(node_status, nodes))
