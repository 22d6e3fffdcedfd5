"""`breakbulk store`: what this machine keeps, and where."""

from __future__ import annotations

import click

from breakbulk.cli.declaration import Group, declare
from breakbulk.cli.invocation import Invocation

__all__ = ["command"]

command = Group(
    "store",
    help="Show what this machine keeps.\n\nEvery package is kept once, unpacked and read-only, for all environments.",
    examples=(
        ("breakbulk store path", "Print where the store is."),
        ("breakbulk store stats", "Print how much it holds."),
    ),
)
