"""`breakbulk doctor`: can this machine and this cluster run pods with environments; if not, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.kubeconfig_options import access, kubeconfig_options
from breakbulk.cli.rendering import Style, count, indented, printable
from breakbulk.errors import ClusterError, PlatformError

if TYPE_CHECKING:
    from breakbulk.checks import Check
    from breakbulk.kubernetes.configuration import Access

__all__ = ["command", "text"]

_MARKS = {"ok": "✓", "failed": "✗", "warning": "!", "unknown": "?"}
Section = tuple[str, Sequence["Check"]]


@declare(
    "doctor",
    ("breakbulk doctor", "Examine this machine and the cluster of the current kubeconfig."),
    ("breakbulk doctor --cluster --context staging", "Examine only the cluster of a context."),
    ("breakbulk doctor --node --json", "Examine only this machine, as a node, as JSON."),
    environment=False,
)
@click.option("--node", "only", flag_value="node", help="Only this machine, as a node, be it one or not.")
@click.option("--cluster", "only", flag_value="cluster", help="Only the cluster.")
@kubeconfig_options
def command(invocation: Invocation, only: str | None, kubeconfig: Path | None, context: str | None) -> int:
    """Check whether pods with environments can run here, and say of everything that hinders them what to do.

    Nothing is changed. Kernel, clock, store and hub matter anywhere; what a node needs is looked at where containerd is
    there for Kubernetes, or `--node` says so. For other paths than the usual ones see `breakbulk node doctor`. Exits
    with 74 when something of this machine fails, with 79 when something of the cluster does.
    """
    sections = list(_sections(invocation, only, kubeconfig, context))
    invocation.show(_document(sections), lambda: text(sections, invocation.style))
    return _code(sections)


def _sections(
    invocation: Invocation, only: str | None, kubeconfig: Path | None, context: str | None
) -> Iterator[Section]:
    if only != "cluster":
        yield from _here(invocation, as_node=only == "node")
    if only == "node":
        return
    try:
        found = access(invocation, kubeconfig, context)
    except ClusterError as error:
        yield "cluster", [_without_cluster(error, asked=only == "cluster")]
        return
    yield "cluster", _cluster(found)


def _here(invocation: Invocation, *, as_node: bool) -> Iterator[Section]:
    from breakbulk.node.distributions import kubelet_settings
    from breakbulk.node.examining.doctor import is_node, machine, no_node, node
    from breakbulk.node.place import NodePlace

    place = NodePlace.default(invocation.settings)
    as_node = as_node or is_node(place)
    yield "machine", list(machine(place, invocation.settings, is_node=as_node))
    yield "node", list(node(place, kubelet_settings())) if as_node else [no_node()]


def _cluster(found: Access) -> list[Check]:
    import asyncio

    from breakbulk.kubernetes.examining import cluster_checks

    async def collect() -> list[Check]:
        return [check async for check in cluster_checks(found)]

    return asyncio.run(collect())


def _without_cluster(error: ClusterError, *, asked: bool) -> Check:
    from breakbulk.checks import Check

    state: Any = "failed" if asked else "unknown"
    return Check(identifier=error.reference, what="cluster", state=state, why=error.message, fix=error.hint)


def _code(sections: Sequence[Section]) -> int:
    failed = {name for name, checks in sections if any(check.state == "failed" for check in checks)}
    if failed & {"machine", "node"}:
        return PlatformError.exit_code
    return ClusterError.exit_code if failed else 0


def _document(sections: Sequence[Section]) -> dict[str, Any]:
    from breakbulk.checks import worst

    everything = [check for _, checks in sections for check in checks]
    return {
        "state": worst(everything),
        "sections": [{"name": name, "checks": msgspec.to_builtins(list(checks))} for name, checks in sections],
    }


def text(sections: Sequence[Section], look: Style) -> str:
    """Return checks as people read them, by section, with a summary."""
    lines = [line for name, checks in sections for line in (look.strong(name), *_lines(checks, look))]
    return "\n".join([*lines, _summary([check for _, checks in sections for check in checks], look)])


def _lines(checks: Sequence[Check], look: Style) -> Iterator[str]:
    paint = {"ok": look.good, "failed": look.bad, "warning": look.notable, "unknown": look.faint}
    for check in checks:
        yield f"  {paint[check.state](_MARKS[check.state])} {printable(check.what)}"
        for label, value in (("why", check.why), ("fix", check.fix)):
            if value:
                yield f"      {look.strong(label)}: {indented(printable(value), 11)}"


def _summary(checks: Sequence[Check], look: Style) -> str:
    failed = sum(check.state == "failed" for check in checks)
    warned = sum(check.state == "warning" for check in checks)
    if failed:
        return look.bad(f"{count(failed, 'check')} failed") + (f", {count(warned, 'warning')}" if warned else "")
    return look.notable(count(warned, "warning")) if warned else look.good("nothing hinders pods with environments")
