"""`breakbulk cluster`: a Kubernetes cluster to work with, made on this machine or taken as it is."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import clusters
from breakbulk.cli.declaration import Group, declare
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import ClusterError, NotFoundError, UsageError

if TYPE_CHECKING:
    from breakbulk.cluster.model import ClusterStatus, LogSource

__all__ = ["command"]

_CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "coredns")
_OF_NODES = ("containerd", "kubelet", "kube-proxy", "breakbulk-agent")

command = Group(
    "cluster",
    help="Make, look at and remove a Kubernetes cluster.\n\nA cluster is real: an API server, nodes, containers. The "
    "driver `native` runs it as processes of this machine, `kind` in containers, and `existing` is one that somebody "
    "else keeps. Its nodes run pods that name an environment.",
    examples=(
        ("breakbulk cluster up --nodes 2", "Make a cluster of two nodes on this machine."),
        ('eval "$(breakbulk cluster kubeconfig --export)" && kubectl get nodes', "Ask it with kubectl."),
        ("breakbulk cluster down", "Remove it, with everything in it."),
    ),
)


@declare(
    "up",
    ("breakbulk cluster up", "Make a cluster of one node, or mend the one that is there."),
    ("breakbulk cluster up --name tests --nodes 2", "Make another one of two nodes, beside it."),
    ("breakbulk cluster up --kubernetes 1.35", "Choose the version of Kubernetes."),
    ("breakbulk cluster up --bare", "Make one without Breakbulk, to try an installation of it."),
    ("breakbulk cluster up --driver kind", "Make it of containers, with kind."),
    ("breakbulk cluster up --driver existing --context staging", "Prepare a cluster that exists for environments."),
    environment=False,
)
@clusters.name_option
@click.option(
    "--driver",
    "kind",
    type=click.Choice(["native", "kind", "existing"]),
    help="What makes it; `native` unless the cluster exists.",
)
@click.option("--kubernetes", metavar="VERSION", help="Of Kubernetes, as 1.35; by default the newest that is built.")
@click.option("--nodes", type=click.IntRange(1, 5), metavar="N", help="How many, up to 5; one by default.")
@click.option(
    "--bare/--no-bare",
    default=None,
    help="Leave out what runs pods without images: nodes as a provider of Kubernetes gives them.",
)
@click.option(
    "--context", metavar="CONTEXT", help="Of the kubeconfig, for an existing cluster; the current by default."
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Of an existing cluster; by default what kubectl takes.",
)
@click.option(
    "--image",
    metavar="IMAGE",
    help="Of the node agent, which then installs the nodes of kind and of an existing cluster.",
)
def up(
    invocation: Invocation,
    *,
    name: str,
    kind: str | None,
    kubernetes: str | None,
    nodes: int | None,
    bare: bool | None,
    context: str | None,
    kubeconfig: Path | None,
    image: str | None,
) -> None:
    """Make a cluster, or mend it.

    What runs as it should is left alone, so this may be repeated; a cluster grows when more nodes are asked for.
    """
    from breakbulk.cluster.drivers import driver_for
    from breakbulk.cluster.model import ClusterRequest

    keeper = driver_for(name, kind, invocation.settings)
    given: dict[str, Any] = {
        "kubernetes": kubernetes,
        "nodes": nodes,
        "bare": bare,
        "context": context,
        "kubeconfig": kubeconfig,
        "image": image,
    }
    _check_options(keeper.kind, given)
    imageless = None if given.pop("bare") is None else not bare
    request = ClusterRequest(name=name, imageless=imageless, **given)
    made = keeper.up(request, invocation)
    invocation.close()
    invocation.report(clusters.document(made), lambda: clusters.text(made, invocation.style))
    option = "" if name == clusters.DEFAULT_NAME else f" --name {name}"
    invocation.suggest(f'eval "$(breakbulk cluster kubeconfig{option} --export)" && kubectl get nodes')


@declare(
    "status",
    ("breakbulk cluster status", "Show every cluster, its nodes and its components."),
    ("breakbulk cluster status --name tests", "Show one."),
    ("breakbulk cluster status --quiet", "Say by the exit code alone whether all is well."),
    environment=False,
)
@click.option("--name", metavar="NAME", shell_complete=clusters.complete_names, help="Of the only cluster to show.")
def status(invocation: Invocation, name: str | None) -> int:
    """Show how clusters are; the exit code is 0 when all of them are healthy, and 79 otherwise."""
    found = _statuses(invocation, name)
    document = {"clusters": [_status_document(one) for one in found]}
    invocation.report(document, lambda: "\n\n".join(_status_text(invocation, one) for one in found))
    return 0 if all(not isinstance(one, ClusterError) and one.is_healthy for one in found) else ClusterError.exit_code


@declare(
    "kubeconfig",
    ("breakbulk cluster kubeconfig", "Print where the file is."),
    ('eval "$(breakbulk cluster kubeconfig --export)"', "Have kubectl use it in this shell."),
    environment=False,
)
@clusters.name_option
@click.option("--export", is_flag=True, help="Print the line that sets KUBECONFIG in a shell.")
def kubeconfig(invocation: Invocation, name: str, export: bool) -> None:
    """Print the file that tells kubectl where the cluster is, and gives it every permission."""
    path = clusters.keeper(invocation, name).status(name).kubeconfig
    if path is None:
        raise NotFoundError(
            f"the cluster {name!r} has no kubeconfig yet",
            identifier="kubeconfig-missing",
            hint=f"breakbulk cluster up --name {name}",
        )
    line = f"export KUBECONFIG={shlex.quote(str(path))}" if export else str(path)
    invocation.show({"name": name, "kubeconfig": path}, line)


def _complete_components(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Offer what every native cluster consists of."""
    from click.shell_completion import CompletionItem

    names = (*_CONTROL_PLANE, *_OF_NODES)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@declare(
    "logs",
    ("breakbulk cluster logs kube-apiserver", "Show the last lines that the API server wrote."),
    ("breakbulk cluster logs kubelet --node breakbulk-2 --follow", "Watch kubelet of a node until Control-C."),
    environment=False,
)
@clusters.name_option
@click.argument("component", shell_complete=_complete_components)
@click.option("--node", metavar="NODE", help="Where it runs; needed where several nodes run it.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
def logs(invocation: Invocation, *, name: str, component: str, node: str | None, lines: int, follow: bool) -> None:
    """Show what a component of the cluster wrote, also of one that has ended."""
    from breakbulk.cluster import log_reading

    if follow and invocation.json:
        raise UsageError("--json prints one document, and --follow never ends", hint="leave one of them out")
    source = clusters.keeper(invocation, name).log(name, component, node)
    if follow:
        _watch(invocation, source, lines)
        return
    written = log_reading.read(source, lines, invocation.settings.environment).decode(errors="replace")
    document = {"component": component, "node": node, "lines": written.splitlines()}
    invocation.show(document, written.rstrip("\n"))


@declare(
    "down",
    ("breakbulk cluster down", "Remove the cluster."),
    ("breakbulk cluster down --name tests", "Remove another one."),
    environment=False,
)
@clusters.name_option
def down(invocation: Invocation, name: str) -> None:
    """Remove a cluster with everything in it, however far `up` came.

    Of a cluster that somebody else keeps, exactly that is removed which `up` put there.
    """
    _remover(invocation, name).down(name, invocation)
    invocation.close()
    invocation.report({"name": name, "is_removed": True}, f"removed the cluster {name}")


for _command in (up, status, kubeconfig, logs, down):
    command.add_command(_command)


def _check_options(kind: str, given: dict[str, Any]) -> None:
    """Raise `UsageError` for options that mean nothing to a driver."""
    foreign = {
        "native": ("context", "kubeconfig", "image"),
        "kind": ("context", "kubeconfig"),
        "existing": ("kubernetes", "nodes", "bare"),
    }[kind]
    wrong = [f"--{option}" for option in foreign if given[option] is not None]
    if wrong:
        raise UsageError(
            f"the driver {kind!r} has no use for {' and '.join(wrong)}",
            identifier="option-not-of-driver",
            why="a cluster that exists has its nodes and version" if kind == "existing" else None,
            hint="leave them out" if kind == "existing" else "say `--driver existing` for a cluster that is there",
        )


def _statuses(invocation: Invocation, name: str | None) -> list[ClusterStatus | ClusterError]:
    """Look at one cluster, or at all; with several, one that cannot be looked at does not hide the others."""
    from breakbulk.cluster.drivers import all_names

    names = [name] if name else all_names(invocation.settings) or [clusters.DEFAULT_NAME]
    if len(names) == 1:
        return [clusters.keeper(invocation, names[0]).status(names[0])]
    found: list[ClusterStatus | ClusterError] = []
    for each in names:
        try:
            found.append(clusters.keeper(invocation, each).status(each))
        except ClusterError as error:
            error.where = error.where or each
            found.append(error)
    return found


def _status_document(found: ClusterStatus | ClusterError) -> dict[str, Any]:
    return found.as_dict() if isinstance(found, ClusterError) else clusters.document(found)


def _status_text(invocation: Invocation, found: ClusterStatus | ClusterError) -> str:
    if isinstance(found, ClusterError):
        return invocation.style.bad(str(found))
    return clusters.text(found, invocation.style)


def _remover(invocation: Invocation, name: str) -> Any:
    """Return who removes a cluster: its keeper; what has no readable record is what a native one has left."""
    from breakbulk.cluster.drivers import driver, driver_of
    from breakbulk.cluster.model import check_name

    check_name(name)
    try:
        return driver_of(name, invocation.settings)
    except (NotFoundError, ClusterError):
        return driver("native", invocation.settings)


def _watch(invocation: Invocation, source: LogSource, lines: int) -> None:
    """Print what a component writes until the user has seen enough."""
    from breakbulk.cluster import log_reading

    with contextlib.suppress(KeyboardInterrupt):
        for data in log_reading.read_on(source, lines, invocation.settings.environment):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
