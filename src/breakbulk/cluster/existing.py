"""A cluster that somebody else keeps: `up` prepares it for environments, `down` takes exactly that away again.

    <state>/clusters/NAME/cluster.json    which context was meant, what was put into the cluster, under which mark
                          kubeconfig      that context alone, for kubectl

With an image of the agent (`--image`) everything is put there that installs all nodes; without, the runtime classes
only, for nodes where `breakbulk node install` runs. What is made is written down first, so that a killed `up` can be
undone. Counterparts: `belongings`, `permissions`; `node.installing.manifest` has the objects.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Sequence
from typing import Any

import yaml

from breakbulk.cluster.belongings import Belonging, belonging, install, missing, remove
from breakbulk.cluster.model import (
    ClusterRequest,
    ClusterStatus,
    ComponentStatus,
    DriverKind,
    LogSource,
    NodeStatus,
    state_of,
)
from breakbulk.cluster.node_reports import node_status
from breakbulk.cluster.permissions import check_permissions
from breakbulk.cluster.recorded import RecordedDriver, ask
from breakbulk.cluster.records import ClusterRecord, write_record
from breakbulk.errors import ClusterError, UsageError
from breakbulk.kubernetes.configuration import Access, Chosen, choose, find_access
from breakbulk.kubernetes.connection import Connection, RefusedError, UnreachableError
from breakbulk.kubernetes.kinds import NODE, POD
from breakbulk.kubernetes.objects import AGENT, NAMESPACE
from breakbulk.lock.replacing import replace_file
from breakbulk.reporting import Reporter

__all__ = ["OLDEST", "ExistingDriver", "ExistingRecord"]

OLDEST = (1, 32)
"""Of Kubernetes; since then the API server tells of an agent's token on which node it is."""

_AGENTS = "app.kubernetes.io/component=node-agent"
_SERVER = "kube-apiserver"
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


class ExistingRecord(ClusterRecord, frozen=True, kw_only=True):
    """Which cluster is meant, and what was put there."""

    context: str
    server: str
    mark: str
    image: str | None = None
    belongings: tuple[Belonging, ...] = ()


class ExistingDriver(RecordedDriver[ExistingRecord]):
    """Prepares clusters that exist; the environment of its settings says where kubectl looks."""

    kind: DriverKind = "existing"
    record_type = ExistingRecord

    def up(self, request: ClusterRequest, reporter: Reporter) -> ClusterStatus:
        """Put into the cluster what imageless pods need, or bring that up to date.

        Raises:
            ClusterError: `cluster-differs`, `kubeconfig-invalid`, `cluster-unreachable`, `cluster-forbidden`,
                `kubernetes-too-old`.

        """
        recorded = self._recorded(request.name)
        access = self._access(request)
        chosen = choose(access)
        objects = self._objects(request.image or (recorded.image if recorded else None))
        record = _decide(request, chosen, recorded, objects)
        ask(access, lambda connection: _check(connection, record))
        write_record(self._directory(request.name), record)
        replace_file(self._kubeconfig(request.name), _minified(chosen), 0o600)
        self._ask(request.name, lambda connection: install(connection, objects, record.mark, reporter))
        return self.status(request.name)

    def status(self, name: str) -> ClusterStatus:
        """Ask the cluster how it is; raise `NotFoundError`, `ClusterError`."""
        record = self._known(name)
        nodes, components, version = self._ask(name, lambda connection: _look(connection, record))
        return ClusterStatus(
            name=name,
            driver=self.kind,
            state=state_of(components, nodes),
            kubernetes=version,
            server=record.server,
            kubeconfig=self._kubeconfig(name),
            nodes=nodes,
            components=components,
        )

    def down(self, name: str, reporter: Reporter) -> None:
        """Remove from the cluster what `up` put there; raise `NotFoundError`, `ClusterError`."""
        record, directory = self._known(name), self._directory(name)
        try:
            if self._kubeconfig(name).exists():  # else nothing was made yet
                self._ask(name, lambda connection: remove(connection, record.belongings, record.mark, reporter))
        except UnreachableError as error:
            error.hint = f"try again when it answers; if it is gone for good, remove the directory {directory}"
            raise
        shutil.rmtree(directory)

    def log(self, name: str, component: str, node: str | None = None) -> LogSource:
        """Return the command that prints the log of a node's agent, the only component of ours there."""
        self._known(name)
        if component != AGENT:
            raise UsageError(
                f"the logs of {component!r} are with whoever keeps the cluster",
                identifier="component-unknown",
                hint=f"take {AGENT}",
            )
        pods = self._ask(name, _agents)
        found = [pod for pod in pods if node in {None, pod["spec"].get("nodeName")}]
        if len(found) != 1:
            raise _which_node(pods, node)
        kubeconfig = str(self._kubeconfig(name))
        return ("kubectl", "--kubeconfig", kubeconfig, "-n", NAMESPACE, "logs", found[0]["metadata"]["name"])

    def _access(self, request: ClusterRequest) -> Access:
        """Return where to look: what is asked for, else what was recorded, else what kubectl takes."""
        if request.kubeconfig is None and request.context is None and self._kubeconfig(request.name).exists():
            return Access(files=(self._kubeconfig(request.name),))
        outside = {name: value for name, value in self._settings.environment.items() if name != _IN_CLUSTER}
        return find_access(outside, kubeconfig=request.kubeconfig, context=request.context)


def _decide(
    request: ClusterRequest, chosen: Chosen, recorded: ExistingRecord | None, objects: Sequence[dict[str, Any]]
) -> ExistingRecord:
    """Return what is to be written down: all that is and was put there; raise `ClusterError`: `cluster-differs`."""
    server = str(chosen.cluster.get("server", ""))
    if recorded and recorded.server != server:
        raise ClusterError(
            f"the cluster {request.name!r} is another one",
            identifier="cluster-differs",
            where=f"context {chosen.name}",
            why=f"it is at {recorded.server}, and the context says {server}",
            hint="take another --name, or run `breakbulk cluster down` first",
        )
    before = recorded.belongings if recorded else ()
    return ExistingRecord(
        driver="existing",
        context=chosen.name,
        server=server,
        mark=recorded.mark if recorded else uuid.uuid4().hex,
        image=request.image or (recorded.image if recorded else None),
        belongings=tuple(dict.fromkeys((*before, *map(belonging, objects)))),
    )


def _minified(chosen: Chosen) -> bytes:
    """Return a kubeconfig with one context."""
    name = chosen.name
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {**chosen.context, "cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": chosen.cluster}],
        "users": [{"name": name, "user": chosen.user}],
    }
    return str(yaml.safe_dump(document, sort_keys=False)).encode()


async def _check(connection: Connection, record: ExistingRecord) -> None:
    """Raise `ClusterError` where the cluster is too old, or does not permit what is to be done."""
    version = await _version(connection)
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST:
        raise ClusterError(
            "this Kubernetes is too old",
            identifier="kubernetes-too-old",
            where=connection.server,
            why=f"it is {version}, and {'.'.join(map(str, OLDEST))} is the oldest that will do",
            hint="upgrade it, or make a cluster with `breakbulk cluster up`",
        )
    await check_permissions(connection, record.belongings)


async def _version(connection: Connection) -> str:
    return str((await connection.get("/version"))["gitVersion"])


async def _look(
    connection: Connection, record: ExistingRecord
) -> tuple[tuple[NodeStatus, ...], tuple[ComponentStatus, ...], str]:
    version = await _version(connection)
    nodes = (await connection.get(NODE.path()))["items"]
    agents = await _agents(connection) if record.image else []
    absent = [
        ComponentStatus(name=str(one), node=None, state="stopped")
        for one in await missing(connection, record.belongings)
    ]
    components = (await _server(connection), *map(_agent, agents), *absent)
    return tuple(map(node_status, nodes)), components, version


async def _server(connection: Connection) -> ComponentStatus:
    try:
        await connection.text("/readyz")
    except RefusedError:
        return ComponentStatus(name=_SERVER, node=None, state="unready")
    return ComponentStatus(name=_SERVER, node=None, state="running")


async def _agents(connection: Connection) -> list[dict[str, Any]]:
    answer = await connection.get(POD.path(NAMESPACE), labelSelector=_AGENTS)
    found: list[dict[str, Any]] = answer["items"]
    return found


def _agent(pod: dict[str, Any]) -> ComponentStatus:
    conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", ())}
    is_ready = conditions.get("Ready") == "True"
    return ComponentStatus(name=AGENT, node=pod["spec"].get("nodeName"), state="running" if is_ready else "unready")


def _which_node(pods: Sequence[dict[str, Any]], node: str | None) -> UsageError:
    known = sorted(str(pod["spec"].get("nodeName")) for pod in pods)
    return UsageError(
        f"there is no agent on {node}" if node else f"{len(known)} nodes have an agent",
        identifier="component-unknown",
        hint=f"give --node: {', '.join(known)}" if known else "run `breakbulk cluster up --image IMAGE`",
    )
