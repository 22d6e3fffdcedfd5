"""`breakbulk node agent`: run the node agent, as systemd or Kubernetes do."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import need_root, place_of, place_options

__all__ = ["command"]


@declare(
    "agent",
    ("breakbulk node agent --kubeconfig /etc/kubernetes/kubelet.conf", "Run it with kubelet's credentials."),
    ("breakbulk node agent --name node-3 --concurrency 8", "In a pod, for a node of that name."),
    environment=False,
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="How to reach the API server; in a pod, what Kubernetes has put there.",
)
@click.option("--context", metavar="CONTEXT", help="Of the kubeconfig; its current one by default.")
@click.option(
    "--concurrency", type=click.IntRange(1), default=4, show_default=True, help="Environments realised at once."
)
@click.option(
    "--disk-high", type=float, default=85.0, show_default=True, metavar="PERCENT", help="From here on, tidy the store."
)
@click.option(
    "--disk-low", type=float, default=75.0, show_default=True, metavar="PERCENT", help="Until the disk is this full."
)
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    default="127.0.0.1:9464",
    show_default=True,
    help="Where /metrics, /healthz and /readyz are; `none` for nowhere.",
)
@place_options
def command(
    invocation: Invocation,
    *,
    kubeconfig: Path | None,
    context: str | None,
    concurrency: int,
    disk_high: float,
    disk_low: float,
    metrics: str,
    **given: Any,
) -> None:
    """Run the node agent until it is told to end; its log goes to standard error.

    It realises the environments of this node's pods before they are asked for, says in the pods' events how far it is,
    and removes packages that nobody needs when the disk fills. `breakbulk node install` has systemd run it.
    """
    place = place_of(invocation, given)
    need_root()
    import logging

    from breakbulk.node.agent.running import run_agent
    from breakbulk.node.agent.settings import AgentSettings

    options = AgentSettings(
        place=place,
        settings=replace(invocation.settings, store=place.store),
        kubeconfig=kubeconfig,
        context=context,
        concurrency=concurrency,
        disk_high_percent=disk_high,
        disk_low_percent=disk_low,
        metrics=metrics,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    run_agent(
        options, lambda: invocation.report({"node": place.name, "ready": True}, f"the agent of {place.name} runs")
    )
