"""Show changes of environments on a hub, as values for programs and as words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakbulk.cli.rendering import printable

if TYPE_CHECKING:
    from breakbulk.hub.records import Change, Recorded

__all__ = ["change_document", "happened", "short_digest", "who"]

_DIGITS = 12


def change_document(recorded: Recorded) -> dict[str, Any]:
    """Return a change as JSON values: what it says, and the key ids of its signatures."""
    change = recorded.change
    return {
        "environment": change.environment,
        "change": change.number,
        "kind": change.kind,
        "generation": change.generation,
        "generations": change.generations,
        "previous": change.previous,
        "digest": change.digest,
        "author": change.author,
        "host": change.host,
        "command": change.command,
        "time": change.time,
        "message": change.message,
        "signatures": [signature.keyid for signature in recorded.envelope.signatures],
        "sha256": recorded.sha256,
    }


def who(change: Change) -> str:
    """Return who did it, and where."""
    return printable(f"{change.author}@{change.host}").replace("\n", " ")


def short_digest(digest: str) -> str:
    """Return enough of an environment's digest to tell two apart."""
    return digest.removeprefix("sha256:")[:_DIGITS]


def happened(change: Change) -> str:
    """Return what a switch or rollback did, as one line."""
    return f"{change.environment}: generation {change.generation} is live, was {change.previous}"
