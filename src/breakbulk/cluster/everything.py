"""All programs of a native cluster, those of Kubernetes and ours, in the order in which they start. Pure."""

from __future__ import annotations

from breakbulk.cluster.blueprint import Blueprint, Component
from breakbulk.cluster.control_plane import control_plane
from breakbulk.cluster.imageless import agent
from breakbulk.cluster.node_programs import node_programs

__all__ = ["all_components", "components_of_node"]


def all_components(plan: Blueprint) -> tuple[Component, ...]:
    """Return everything that runs, node by node."""
    nodes = [components_of_node(plan, number) for number in range(1, len(plan.nodes) + 1)]
    return (*control_plane(plan), *(component for node in nodes for component in node))


def components_of_node(plan: Blueprint, number: int) -> tuple[Component, ...]:
    """Return everything that runs on node 1, 2, ... besides the control plane."""
    agents = () if plan.agent_variables is None else (agent(plan, number),)
    return (*node_programs(plan, number), *agents)
