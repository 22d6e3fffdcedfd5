"""What `hub serve` and `hub token` share: where a service keeps tokens and audit log, also between the two of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from breakbulk.cli.invocation import Invocation

__all__ = ["state_directory", "state_option"]

Function = TypeVar("Function", bound=Callable[..., Any])


def state_option(function: Function) -> Function:
    """Add `--state`."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where the service keeps tokens and its audit log; by default `hub-service` in the state directory.",
    )(function)


def state_directory(invocation: Invocation, given: Path | None) -> Path:
    """Return the directory that is meant."""
    return given.absolute() if given else invocation.settings.state / "hub-service"
