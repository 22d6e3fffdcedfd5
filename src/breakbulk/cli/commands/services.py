"""`breakbulk services`: start, stop and watch the services of the environment."""

from __future__ import annotations

import click

from breakbulk.cli.declaration import Group, declare
from breakbulk.cli.invocation import Invocation

__all__ = ["command"]

command = Group(
    "services",
    help="Start, stop and watch the services of the environment.",
    examples=(
        ("breakbulk services start postgres", "Start a service in the background."),
        ("breakbulk services logs postgres --follow", "Watch what it writes."),
    ),
)
