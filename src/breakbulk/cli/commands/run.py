"""`breakbulk run`: a command in the environment.

On the way to everything a user starts, so nothing is imported here that is not needed to start it.
"""

from __future__ import annotations

import click

from breakbulk.cli import completing
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.launching import launched

__all__ = ["command"]


@declare(
    "run",
    ("breakbulk run jq --version", "Run jq of the environment; everything after jq is jq's own."),
    ("breakbulk run -e examples/postgres -- psql --version", "Run in the environment of another directory."),
    ("breakbulk run --service postgres -- psql", "Start a service of the environment first and end it afterwards."),
    ("breakbulk run --pure --network none -- make test", "Run without the caller's variables, home and network."),
    allow_interspersed_args=False,
)
@click.option(
    "-s",
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.service_names,
    help="Start this service before the command, and end it after; may be repeated.",
)
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    metavar="PATH[:TARGET][:ro]",
    help="Show a directory of this machine to the command; may be repeated.",
)
@click.option("--pure", is_flag=True, help="Show neither the home directory nor the caller's variables.")
@click.option(
    "--network", type=click.Choice(["host", "none"]), default="host", show_default=True, help="Which network it has."
)
@click.option("--locked", is_flag=True, help="Fail instead of locking when the lock is out of date.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] COMMAND...")
def command(
    invocation: Invocation,
    *,
    services: tuple[str, ...],
    mounts: tuple[str, ...],
    pure: bool,
    network: str,
    locked: bool,
    words: tuple[str, ...],
) -> int:
    """Run a command in the environment.

    What is missing is locked and fetched first. The command sees the environment's packages as its root file system,
    the current directory at its own path, your home directory, terminal and network; its exit code is that of
    breakbulk. With --json its standard output goes to standard error, and the document tells its exit code.
    """
    return launched(
        invocation, list(words), services=services, mounts=mounts, pure=pure, network=network == "host", frozen=locked
    )
