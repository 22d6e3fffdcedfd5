"""Show why a pod does not run: the way it went, the step that fails, its cause and the fix."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from breakbulk.cli.invocation import Invocation
from breakbulk.cli.kubeconfig_options import access
from breakbulk.cli.rendering import Style, indented, printable
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.kubernetes.configuration import Access
    from breakbulk.kubernetes.explanation import Cause, Explanation, Facts, Step

__all__ = ["explain_pod", "text"]

_MARKS = {"done": "✓", "failed": "✗", "waiting": "…", "pending": "·"}


def explain_pod(invocation: Invocation, name: str, *, kubeconfig: Path | None, context: str | None) -> None:
    """Show why `[NAMESPACE/]NAME` does not run; without a namespace it is that of the context."""
    namespace, slash, pod = name.rpartition("/")
    if not pod or (slash and not namespace) or "/" in namespace:
        raise UsageError(f"{name!r} names no pod", hint="write NAMESPACE/NAME, or NAME alone")
    from breakbulk.kubernetes.explaining import explain

    facts = asyncio.run(_facts(access(invocation, kubeconfig, context), namespace, pod))
    explanation = explain(facts)
    invocation.show(_document(explanation), lambda: text(explanation, invocation.style))


async def _facts(found: Access, namespace: str, pod: str) -> Facts:
    from breakbulk.kubernetes.connection import connect
    from breakbulk.kubernetes.gathering import gather

    async with connect(found) as connection:
        return await gather(connection, namespace or connection.namespace, pod, _references)


def _references(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the environments that annotations name; what cannot be understood is said by the node."""
    from breakbulk.node.annotations import PodAnnotations

    try:
        return PodAnnotations(annotations).references
    except UsageError:
        return ("(annotations that cannot be understood)",)


def _document(explanation: Explanation) -> dict[str, Any]:
    stuck = explanation.stuck
    fields: dict[str, Any] = msgspec.to_builtins(explanation)
    return {**fields, "running": explanation.running, "stuck_at": stuck.name if stuck else None}


def text(explanation: Explanation, look: Style) -> str:
    """Return an explanation as people read it."""
    return "\n".join(_lines(explanation, look))


def _lines(explanation: Explanation, look: Style) -> Iterator[str]:
    where = f" on {explanation.node}" if explanation.node else ""
    where = f", made by {explanation.owner}" if explanation.owner else where
    yield f"{look.strong(printable(f'{explanation.namespace}/{explanation.name}'))}  {explanation.phase}{where}"
    for step in explanation.steps:
        yield _step(step, look)
        if step.cause:
            yield from _cause(step.cause, look, failed=step.state == "failed")
    for note in explanation.notes:
        yield f"{look.notable('note')}: {printable(note)}"


def _step(step: Step, look: Style) -> str:
    paint = {"done": look.good, "failed": look.bad, "waiting": look.notable, "pending": look.faint}[step.state]
    detail = f"  {look.faint(printable(step.detail))}" if step.detail else ""
    name = look.faint(step.name) if step.state == "pending" else step.name
    return f"  {paint(_MARKS[step.state])} {name}{detail}"


def _cause(cause: Cause, look: Style, *, failed: bool) -> Iterator[str]:
    head = f"{cause.identifier}: {printable(cause.what)}"
    yield f"      {look.bad(head) if failed else head}"
    for label, value in (("why", cause.why), ("fix", cause.fix), ("log", cause.log)):
        if value:
            yield f"      {look.strong(label)}: {indented(printable(value), 11)}"
