"""`breakbulk node`: one machine of a Kubernetes cluster, as whoever looks after it sees it.

Each command is `command` of the module of its name in this package and is imported when it is called, as the agent is
heavy and `node status` must be quick. What concerns a whole cluster is `breakbulk cluster` and `breakbulk doctor`.
"""

from __future__ import annotations

from importlib import import_module

import click

from breakbulk.cli.declaration import Group

__all__ = ["COMMANDS", "command"]

COMMANDS: tuple[str, ...] = ("install", "status", "doctor", "prewarm", "stub", "uninstall", "manifest", "agent")
"""The commands, in the order of `--help`."""


class _Node(Group):
    """A group whose commands are imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        loaded: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return loaded


command = _Node(
    "node",
    help="Make this machine a node that runs pods without images.\n\nA node needs a runtime that containerd calls for "
    "pods of the RuntimeClass `breakbulk`, and an agent that has their environments there in time. Both are installed "
    "here, on the machine itself or by a DaemonSet.",
    examples=(
        ("sudo breakbulk node install", "Install or upgrade, as a service of systemd."),
        ("sudo breakbulk node doctor", "Find out what keeps pods from starting here."),
        ("breakbulk node manifest --image IMAGE | kubectl apply -f -", "Have Kubernetes install all nodes."),
    ),
)
