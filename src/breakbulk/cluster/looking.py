"""What a native cluster is at this moment: who runs, who answers, which nodes are ready. Changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from breakbulk.cluster import processes
from breakbulk.cluster.blueprint import Blueprint, Component
from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.cluster.everything import all_components
from breakbulk.cluster.model import ClusterStatus, ComponentStatus, state_of
from breakbulk.cluster.probing import Observer

__all__ = ["look"]


def look(plan: Blueprint, hierarchies: Hierarchies) -> ClusterStatus:
    """Return the state of everything; all are asked at once, as a dead one may take seconds not to answer."""
    observer = Observer(plan)
    with ThreadPoolExecutor(16) as pool:
        looks = [pool.submit(_look_at, one, plan, hierarchies, observer) for one in all_components(plan)]
        asked = [pool.submit(observer.node_status, name) for name in plan.nodes]
        components = tuple(one.result() for one in looks)
        nodes = tuple(one.result() for one in asked)
    return ClusterStatus(
        name=plan.place.name,
        driver="native",
        state=state_of(components, nodes),
        kubernetes=plan.programs.version,
        server=plan.server,
        kubeconfig=plan.place.kubeconfig,
        nodes=nodes,
        components=components,
    )


def _look_at(component: Component, plan: Blueprint, hierarchies: Hierarchies, observer: Observer) -> ComponentStatus:
    group = plan.place.component_group(component.node, component.name)
    process = processes.find(hierarchies, group, Path(component.arguments[0]))
    is_ready = process is not None and observer.complaint(component.probe) is None
    return ComponentStatus(
        name=component.name,
        node=component.node,
        state="running" if is_ready else "stopped" if process is None else "unready",
        pid=process,
        log=plan.place.log(component.node, component.name),
    )
