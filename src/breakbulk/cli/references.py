"""What the shell offers for environments of the hub: their names from the index, then their generations.

Only a hub in a directory is asked: a shell that waits for a network while somebody types is worse than none. Whatever
is wrong offers nothing. Counterpart: `completing`, for what an environment holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli.invocation import Invocation
from breakbulk.errors import BreakbulkError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from breakbulk.hub.hub import Hub

__all__ = ["environments", "generations", "references"]


def environments(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the environments of the hub."""
    from breakbulk.hub import index

    hub = _hub(ctx)
    try:
        found = index.read(hub.objects) if hub else ()
    except BreakbulkError:
        return []
    return _items(((one.environment, one.message) for one in found), incomplete)


def generations(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the generations of the environment that the command line names."""
    return _items(_numbered(_hub(ctx), ctx.params.get("name") or ""), incomplete)


def references(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer environments, and their generations once a colon is typed."""
    environment, colon, _ = incomplete.partition(":")
    if not colon:
        return environments(ctx, parameter, incomplete)
    numbered = _numbered(_hub(ctx), environment)
    return _items(((f"{environment}:{number}", about) for number, about in numbered), incomplete)


def _numbered(hub: Hub | None, environment: str) -> list[tuple[str, str]]:
    """Return the generations of an environment with what was said of them, the newest first."""
    try:
        changes = hub.history(environment)[::-1] if hub else ()
    except BreakbulkError:
        return []
    return [(str(one.change.generation), one.change.message) for one in changes if one.change.kind == "push"]


def _hub(ctx: click.Context) -> Hub | None:
    """Return the hub if it can be asked at once."""
    invocation = ctx.find_object(Invocation)
    try:
        hub = invocation.hub if invocation else None
    except BreakbulkError:
        return None
    return hub if hub and Path(hub.url).is_absolute() else None


def _items(found: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from breakbulk.cli.rendering import one_line

    return [CompletionItem(name, help=one_line(about)) for name, about in found if name.startswith(incomplete)]
