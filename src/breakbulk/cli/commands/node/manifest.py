"""`breakbulk node manifest`: have Kubernetes install its nodes by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import path_options, restart_options
from breakbulk.errors import UsageError

__all__ = ["command"]


@declare(
    "manifest",
    ("breakbulk node manifest --image IMAGE | kubectl apply -f -", "Install every node of a cluster."),
    (
        "breakbulk node manifest --image IMAGE --hub s3://team --node-selector pool=jobs",
        "Only nodes with a label, with environments from a bucket.",
    ),
    environment=False,
)
@click.option("--image", metavar="IMAGE", required=True, help="Image with Python and Breakbulk.")
@click.option("--hub", metavar="URL", help="The hub of the agents; by default BREAKBULK_HUB of the secret.")
@click.option("--namespace", metavar="NAME", help="Of the agents; breakbulk-system.")
@click.option("--node-selector", metavar="LABEL=VALUE", multiple=True, help="Nodes that are installed; all of Linux.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where on a node the program is copied to; /opt/breakbulk.",
)
@restart_options
@path_options("state", "run", "runc", "containerd", "containerd-config", "containerd-socket")
def command(
    invocation: Invocation,
    *,
    image: str,
    hub: str | None,
    namespace: str | None,
    node_selector: tuple[str, ...],
    restart: bool,
    restart_command: str | None,
    **given: Any,
) -> None:
    """Print the objects of Kubernetes that install and run everything, as YAML for `kubectl apply`.

    A namespace, the agent's account with no more than it needs, the RuntimeClasses `breakbulk` and `flox`, and a daemon
    set: on each node, its first container installs the runtime, its second is the node agent. Credentials of the hub
    are keys of a secret `breakbulk-hub` in that namespace, named as the variables that they become; `config.toml` and
    `trust.json` are keys of a ConfigMap `breakbulk-configuration`.

    Paths are those on the nodes. Without them each node is looked at: k3s, RKE2 and others are found.
    """
    from breakbulk.kubernetes.objects import NAMESPACE
    from breakbulk.node.installing.manifest import Deployment, manifest

    labels = dict(_label(text) for text in node_selector)
    places: dict[str, Any] = {name: _absolute(name, path) for name, path in given.items() if path}
    deployment = Deployment(
        image=image,
        hub=hub or "",
        namespace=namespace or NAMESPACE,
        node_selector=labels,
        restart=restart,
        restart_command=restart_command or "",
        **places,
    )
    objects = manifest(deployment)
    invocation.show({"apiVersion": "v1", "kind": "List", "items": objects}, lambda: _yaml(objects))


def _absolute(name: str, path: Path) -> Path:
    if not path.is_absolute():
        raise UsageError("this is no path on a node", where=f"--{name.replace('_', '-')} {path}", hint="begin with /")
    return path


def _label(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise UsageError("this is no label", where=f"--node-selector {text}", hint="write LABEL=VALUE")
    return name, value


def _yaml(objects: list[dict[str, object]]) -> str:
    import yaml

    text: str = yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True)
    return text.rstrip()
