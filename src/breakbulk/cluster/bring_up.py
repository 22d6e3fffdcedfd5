"""Starts what a native cluster consists of, in order, each as soon as what it needs is ready; or mends what is dead.

    etcd ─► kube-apiserver ─┬─► kube-controller-manager, kube-scheduler, coredns ───────┬─► all of it ready
    containerd of each node ┴─► kubelet, kube-proxy, agent of each node; images, rights ┘

What runs stays as it is, so `up` of a healthy cluster changes nothing, and a killed `up` is finished by the next one.
Counterpart: `taking_down`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from breakbulk.cluster import processes
from breakbulk.cluster.blueprint import Blueprint, Component
from breakbulk.cluster.certificates import write_private
from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.cluster.commands import SEARCH_PATH, run
from breakbulk.cluster.control_plane import control_plane
from breakbulk.cluster.credentials import issue_credentials
from breakbulk.cluster.everything import components_of_node
from breakbulk.cluster.imageless import install_node, mend_bare_node, node_place
from breakbulk.cluster.images import pause_archive
from breakbulk.cluster.networks import attach_node, route_between
from breakbulk.cluster.objects import cluster_objects
from breakbulk.cluster.probing import Observer
from breakbulk.errors import ClusterError
from breakbulk.kubernetes.objects import AGENT, READY_LABEL, runtime_classes
from breakbulk.node.installing.stub_image import import_stub
from breakbulk.reporting import Reporter, Task

__all__ = ["BringUp"]

_READY_TIMEOUT_S = 120.0
_POLL_S = 0.1
_PINNED = "io.cri-containerd.pinned=pinned"
"""Label of images that kubelet never removes; there is no registry to have them from again."""


class BringUp:
    """One run of `up` of one cluster.

    Args:
        plan: What the cluster consists of.
        hierarchies: Control groups of this machine.
        reporter: Told of each step.

    """

    def __init__(self, plan: Blueprint, hierarchies: Hierarchies, reporter: Reporter) -> None:
        self._plan = plan
        self._hierarchies = hierarchies
        self._reporter = reporter
        self._observer = Observer(plan)
        self._numbers = range(1, len(plan.nodes) + 1)

    def run(self) -> None:
        """Do it; the network of the cluster is there.

        Raises:
            ClusterError: `component-failed`, `component-unready`, `node-unready`, `command-failed`.
            PlatformError: `cgroups-unavailable`, or what `node.installation.install` raises.
            OSError: A file cannot be written.

        """
        etcd, api, *others = control_plane(self._plan)
        nodes = [components_of_node(self._plan, number) for number in self._numbers]
        runtimes = [runtime for runtime, *_ in nodes]
        rest = [*others, *(component for _, *rest in nodes for component in rest)]
        total = 2 + len(runtimes) + len(rest) + len(nodes) + 1
        task = self._reporter.begin(f"cluster {self._plan.place.name}", total=total)
        try:
            self._prepare()
            self._start([etcd])
            self._start_runtimes(runtimes)
            self._await([etcd], task)
            self._start([api])
            self._await([*runtimes, api], task)
            self._start(rest)
            self._apply()
            self._import_images()
            self._await(rest, task)
            self._await_nodes(task)
        finally:
            task.finish()

    def _prepare(self) -> None:
        plan = self._plan
        issue_credentials(plan)
        for number, name in enumerate(plan.nodes, 1):
            self._hierarchies.ensure(f"{plan.place.control_group}/{name}")
            attach_node(plan.place, plan.addresses, number, name)
        route_between(plan.place, plan.addresses, plan.nodes)

    def _start_runtimes(self, runtimes: Iterable[Component]) -> None:
        """Start containerd of each node, which knows our runtime from the beginning."""
        for number, runtime in enumerate(runtimes, 1):
            if self._process(runtime) is None:
                _write_files(runtime)
            install = mend_bare_node if self._plan.agent_variables is None else install_node
            install(self._plan, number, partial(self._restart, runtime))
            self._start([runtime])

    def _restart(self, component: Component) -> None:
        process = self._process(component)
        if process is not None:
            processes.stop(process)
        self._launch(component)

    def _start(self, components: Iterable[Component]) -> None:
        for component in components:
            if self._process(component) is None:
                _write_files(component)
                self._launch(component)

    def _launch(self, component: Component) -> None:
        place = self._plan.place
        group = place.component_group(component.node, component.name)
        self._hierarchies.ensure(group)
        path = f"{self._plan.programs.directory}:{SEARCH_PATH}"
        processes.launch(
            component.arguments,
            hierarchies=self._hierarchies,
            group=group,
            log=place.log(component.node, component.name),
            environment={"HOME": "/root", **component.variables, "PATH": path},
            namespace=place.node(component.node).network_namespace if component.is_in_namespace else None,
        )

    def _process(self, component: Component) -> int | None:
        group = self._plan.place.component_group(component.node, component.name)
        return processes.find(self._hierarchies, group, Path(component.arguments[0]))

    def _await(self, components: Iterable[Component], task: Task) -> None:
        for component in components:
            self._await_component(component)
            task.advance()

    def _await_component(self, component: Component) -> None:
        group = self._plan.place.component_group(component.node, component.name)
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while complaint := self._observer.complaint(component.probe):
            if not self._hierarchies.members(group):
                raise self._failed(component)
            if time.monotonic() > deadline:
                raise self._unready(component, complaint)
            time.sleep(_POLL_S)

    def _await_nodes(self, task: Task) -> None:
        for name in self._plan.nodes:
            self._await_node(name)
            task.advance()
        # What is created before the controller has made this one is refused.
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        _until(lambda: self._observer.read(account) is not None, self._no_account)
        task.advance()

    def _await_node(self, name: str) -> None:
        _until(lambda: self._observer.node_status(name).is_ready, lambda: self._node_unready(name))
        if self._plan.agent_variables is not None:
            _until(lambda: self._takes_environments(name), lambda: self._no_agent(name))

    def _takes_environments(self, name: str) -> bool:
        """Say whether the agent has labelled its node: kubelet turns away, for good, a pod that comes before that."""
        node = self._observer.read(f"/api/v1/nodes/{name}") or {"metadata": {}}
        return (node["metadata"].get("labels") or {}).get(READY_LABEL) == "true"

    def _apply(self) -> None:
        classes = [] if self._plan.agent_variables is None else runtime_classes()
        objects = {"apiVersion": "v1", "kind": "List", "items": [*cluster_objects(), *classes]}
        place = self._plan.place
        kubectl = (self._plan.programs["kubectl"], "--kubeconfig", place.kubeconfig)
        # What it keeps of the server would be wherever `up` was called: nobody has told it of a home.
        cache = ("--cache-dir", place.configuration / "kubectl")
        options = ("--server-side", "--force-conflicts", "--field-manager=breakbulk")
        run(*kubectl, *cache, "apply", *options, "-f", "-", stdin=msgspec.json.encode(objects).decode())

    def _import_images(self) -> None:
        """Give every node the images that no registry has."""
        directory = self._plan.place.directory / "images"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pause = directory / "pause.tar"
        pause_archive(pause)
        with ThreadPoolExecutor(len(self._plan.nodes)) as pool:
            for done in [pool.submit(self._import, number, pause) for number in self._numbers]:
                done.result()

    def _import(self, number: int, pause: Path) -> None:
        place = node_place(self._plan, number)
        ctr = (self._plan.programs["ctr"], "--address", place.containerd_socket, "-n", "k8s.io")
        run(*ctr, "images", "import", "--local", "--label", _PINNED, pause)
        if self._plan.agent_variables is not None:
            import_stub(place)

    def _failed(self, component: Component) -> ClusterError:
        log = self._plan.place.log(component.node, component.name)
        return ClusterError(
            f"{component.name} of {component.node} ended",
            identifier="component-failed",
            where=str(log),
            why=processes.last_lines(log) or "it wrote nothing",
            hint="run `breakbulk cluster up` again; if it ends again, `breakbulk cluster down` and up",
        )

    def _unready(self, component: Component, complaint: str) -> ClusterError:
        return ClusterError(
            f"{component.name} of {component.node} is not ready after {_READY_TIMEOUT_S:g} s",
            identifier="component-unready",
            where=str(self._plan.place.log(component.node, component.name)),
            why=complaint,
            hint="run `breakbulk cluster up` again when the machine is less busy; the log says more",
        )

    def _node_unready(self, name: str) -> ClusterError:
        return ClusterError(
            f"the node {name} is not ready after {_READY_TIMEOUT_S:g} s",
            identifier="node-unready",
            where=str(self._plan.place.log(name, "kubelet")),
            why=self._observer.node_status(name).why,
            hint="run `breakbulk cluster up` again when the machine is less busy; the log says more",
        )

    def _no_agent(self, name: str) -> ClusterError:
        return ClusterError(
            f"the node agent of {name} is not ready after {_READY_TIMEOUT_S:g} s",
            identifier="node-unready",
            where=str(self._plan.place.log(name, AGENT)),
            why=f"the node has no label {READY_LABEL}",
            hint="run `breakbulk cluster up` again when the machine is less busy; the log says more",
        )

    def _no_account(self) -> ClusterError:
        return ClusterError(
            "the controller manager does not work",
            identifier="component-unready",
            where=str(self._plan.place.log(self._plan.nodes[0], "kube-controller-manager")),
            why=f"the namespace `default` has no service account after {_READY_TIMEOUT_S:g} s",
        )


def _write_files(component: Component) -> None:
    for path, content in component.files.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, content.encode())


def _until(condition: Callable[[], bool], error: Callable[[], ClusterError]) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise error()
        time.sleep(_POLL_S)
