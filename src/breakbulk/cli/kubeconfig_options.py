"""The options of commands that talk to a cluster: which kubeconfig, and which context of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from breakbulk.cli.invocation import Invocation

if TYPE_CHECKING:
    from breakbulk.kubernetes.configuration import Access

__all__ = ["access", "kubeconfig_options"]

Function = TypeVar("Function", bound=Callable[..., int | None])


def kubeconfig_options(function: Function) -> Function:
    """Give a command `--kubeconfig` and `--context`."""
    with_context = click.option(
        "--context", metavar="NAME", help="The context of the kubeconfig, by default its current one."
    )
    with_file = click.option(
        "--kubeconfig",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="The cluster's kubeconfig, by default that of kubectl.",
    )
    return with_file(with_context(function))


def access(invocation: Invocation, kubeconfig: Path | None, context: str | None) -> Access:
    """Return which cluster is meant; raises `ClusterError`: `kubeconfig-invalid`."""
    from breakbulk.kubernetes.configuration import find_access

    return find_access(invocation.environ, kubeconfig=kubeconfig, context=context)
