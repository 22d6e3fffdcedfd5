"""`breakbulk init`: write a first manifest, empty or from what a project already says it needs."""

from __future__ import annotations

from pathlib import Path

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import UsageError

__all__ = ["command"]


@declare(
    "init",
    ("breakbulk init", "Write breakbulk.toml into the current directory."),
    ("breakbulk init --from requirements.txt", "Take the packages over from a requirements file."),
    ("breakbulk init --from .flox", "Take a Flox environment over."),
)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take over requirements.txt, pyproject.toml or .flox.",
)
def command(invocation: Invocation, source: Path | None) -> None:
    """Write a manifest to begin with.

    The manifest, breakbulk.toml, says which packages, variables, hooks and services the environment has.
    """
    directory = invocation.directory or Path.cwd()
    raise NotImplementedError
