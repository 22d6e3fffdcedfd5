"""`breakbulk node status`: is this machine installed, does it run, who uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import place_of, place_options
from breakbulk.cli.rendering import count

if TYPE_CHECKING:
    from breakbulk.node.examining.status import NodeStatus

__all__ = ["command"]

_NOT_READY = 1


@declare(
    "status",
    ("sudo breakbulk node status", "Show what runs here."),
    ("sudo breakbulk node status --json", "Print it for a program."),
    environment=False,
)
@place_options
def command(invocation: Invocation, **given: Any) -> int:
    """Show whether pods without images can be started here, and which run.

    The exit code is 0 when they can, 1 when not; `breakbulk node doctor` says why.
    """
    from breakbulk.node.examining.status import node_status

    status = node_status(place_of(invocation, given))
    invocation.show(_document(status), lambda: _text(status))
    return 0 if status.is_ready else _NOT_READY


def _document(status: NodeStatus) -> dict[str, Any]:
    return {"ready": status.is_ready, **{name: getattr(status, name) for name in status.__struct_fields__}}


def _text(status: NodeStatus) -> str:
    containerd = f"{status.containerd or 'not found'}, {'runs' if status.containerd_runs else 'does not run'}"
    if status.restart_pending:
        containerd += ", has to be restarted"
    lines = [
        f"node          {status.node}: {'ready' if status.is_ready else 'not ready'}",
        f"runtimes      {', '.join(status.runtimes) or 'none'}",
        f"containerd    {containerd}",
        f"agent         {'runs' if status.agent_runs else 'does not run'}",
        f"environments  {status.environments}",
        f"pods          {count(len(status.pods), 'pod')}" + (f": {', '.join(status.pods)}" if status.pods else ""),
    ]
    return "\n".join(lines)
