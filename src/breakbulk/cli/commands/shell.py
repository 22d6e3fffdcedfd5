"""`breakbulk shell`: an interactive shell in the environment."""

from __future__ import annotations

import click

from breakbulk.cli import completing
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.launching import launched

__all__ = ["command"]


@declare(
    "shell",
    ("breakbulk shell", "Open a shell with the environment's packages; `exit` leaves it."),
    ("breakbulk shell --service postgres", "Have a service of the environment running meanwhile."),
)
@click.option(
    "-s",
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.service_names,
    help="Start this service before the shell, and end it after; may be repeated.",
)
@click.option("--locked", is_flag=True, help="Fail instead of locking when the lock is out of date.")
def command(invocation: Invocation, services: tuple[str, ...], locked: bool) -> int:
    """Open an interactive shell in the environment.

    The shell is bash of the environment, with the environment's variables, hook and profile. Your home directory, the
    current directory, terminal and network are there as usual. To run one command, use `breakbulk run`.
    """
    return launched(invocation, None, services=services, frozen=locked)
