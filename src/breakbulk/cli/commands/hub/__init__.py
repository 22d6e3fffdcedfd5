"""`breakbulk hub`: the hub itself, as whoever keeps it sees it.

Each command is `command` of the module of its name in this package and is imported when it is called, as the service
is heavy and `hub list` must be quick. What is done with one environment of a hub are commands of the program.
"""

from __future__ import annotations

from importlib import import_module

import click

from breakbulk.cli.declaration import Group

__all__ = ["COMMANDS", "command"]

COMMANDS: tuple[str, ...] = ("list", "serve", "login", "logout", "token", "policy", "mirror", "gc", "check")
"""The commands, in the order of `--help`."""


class _Hub(Group):
    """A group whose commands are imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [*COMMANDS]  # `list` is a module of this package once it is loaded

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        loaded: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return loaded


command = _Hub(
    "hub",
    help="Show and keep the hub.\n\nA hub is where environments are published: a directory, an object store or a "
    "service. BREAKBULK_HUB names it, or `hub` in config.toml; by default it is a directory of yours.",
    examples=(("breakbulk hub list", "Show the environments there are."),),
)
