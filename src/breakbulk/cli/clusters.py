"""What commands about clusters share: the option `--name`, how a cluster is shown, what the shell offers.

Completion looks at records on this machine only; no cluster is asked while somebody types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, columns
from breakbulk.errors import BreakbulkError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from breakbulk.cluster.drivers import Driver
    from breakbulk.cluster.model import ClusterStatus, ComponentStatus, NodeStatus

__all__ = ["DEFAULT_NAME", "complete_names", "document", "keeper", "name_option", "text"]

DEFAULT_NAME = "breakbulk"
"""That of `breakbulk.cluster.model`, which is not imported for a command's help."""

_NODES = ("NODE", "STATE", "ADDRESS", "VERSION", "REMARK")
_COMPONENTS = ("COMPONENT", "NODE", "STATE", "PID")
_RIGHT = frozenset({3})

Function = TypeVar("Function", bound=Callable[..., Any])


def complete_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the clusters there are."""
    from click.shell_completion import CompletionItem

    from breakbulk.cluster.drivers import all_names

    invocation = ctx.find_object(Invocation)
    try:
        found = all_names(invocation.settings) if invocation else []
    except BreakbulkError:
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def name_option(function: Function) -> Function:
    """Add `--name` to a command."""
    return click.option(
        "--name",
        metavar="NAME",
        default=DEFAULT_NAME,
        show_default=True,
        shell_complete=complete_names,
        help="Of the cluster.",
    )(function)


def keeper(invocation: Invocation, name: str) -> Driver:
    """Return whoever keeps a cluster; raise `NotFoundError`: `cluster-unknown`."""
    from breakbulk.cluster.drivers import driver_of

    return driver_of(name, invocation.settings)


def document(status: ClusterStatus) -> dict[str, Any]:
    """Return a cluster as `--json` shows it."""
    import msgspec

    return msgspec.structs.asdict(status) | {"is_healthy": status.is_healthy}


def text(status: ClusterStatus, look: Style) -> str:
    """Return a cluster as people read it: what it is, its nodes, then its components."""
    state = (look.good if status.is_healthy else look.bad)(status.state)
    lines = [f"{look.strong(status.name)}  {state}  {' '.join(filter(None, (status.driver, status.kubernetes)))}"]
    for title, value in (("server", status.server), ("kubeconfig", status.kubeconfig)):
        lines += [f"{title:10}  {value}"] if value else []
    if status.nodes:
        lines += ["", columns(_NODES, map(_node, status.nodes), look)]
    if status.components:
        lines += ["", columns(_COMPONENTS, map(_component, status.components), look, right=_RIGHT)]
    return "\n".join(lines)


def _node(node: NodeStatus) -> tuple[str, ...]:
    state = "ready" if node.is_ready else "not ready"
    return (node.name, state, node.address or "", node.version or "", node.why or "")


def _component(component: ComponentStatus) -> tuple[str, ...]:
    return (component.name, component.node or "", component.state, str(component.pid or ""))
