"""Find environments by words, in what the index says of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from breakbulk.hub.records import Summary

__all__ = ["search"]


def search(summaries: Iterable[Summary], words: Sequence[str]) -> tuple[Summary, ...]:
    """Return the environments in which every word occurs, the best first, then by name.

    A word occurs in owner or name, in an install id, in the message or the author. Whole names are better than parts,
    and names better than installs, and those better than messages. Case does not matter.
    """
    wanted = [word.casefold() for word in words]
    if not wanted:
        return tuple(summaries)
    rated = []
    for summary in summaries:
        ranks = [_rank(summary, word) for word in wanted]
        if None not in ranks:
            rated.append((sum(rank or 0 for rank in ranks), summary.environment, summary))
    return tuple(summary for _, _, summary in sorted(rated, key=lambda found: found[:2]))


def _rank(summary: Summary, word: str) -> int | None:
    """Return how well a word fits, 0 best; None when it does not occur."""
    environment = summary.environment
    if word in environment:
        parts = (environment, *environment.split("/"))
        return 0 if word in parts else 1 if any(part.startswith(word) for part in parts) else 2
    if word in "\n".join(summary.installs).casefold():
        return 3 if word in summary.installs else 4
    return 5 if word in summary.message.casefold() or word in summary.author.casefold() else None
