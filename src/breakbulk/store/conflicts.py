"""Which of two packages owns a path: decided before anything is mounted, or refused with both names.

Pure. An overlay would show one of the two files in silence; here a path that two packages own with different content
is an error, unless something decides:

1. the manifest's `priority`: the lower number wins;
2. `Replaces` of a Debian package (Debian policy 7.6): the replacing one wins;
3. a diversion (dpkg-divert(1)): the diverting package keeps the path, the other's file is found elsewhere.

Directories never conflict with directories, and equal entries never conflict.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import msgspec

from breakbulk.ecosystems.interface import Content, Entry
from breakbulk.errors import ConflictError

__all__ = ["Tree", "arrange"]

_SHOWN_MAX = 5


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one package when paths are compared.

    Attributes:
        id: `ecosystem:name`, as users know it.
        priority: Of the manifest; the lower wins.
        content: The listing.
        replaces: Ids of packages whose files this one may take over.
        diverted: Paths that this package has diverted, relative, without a leading slash.

    """

    id: str
    priority: int
    content: Content
    replaces: frozenset[str] = frozenset()
    diverted: frozenset[str] = frozenset()


def arrange(trees: Sequence[Tree]) -> list[int]:
    """Return the order of layers, the top one first, as indices into `trees`.

    It is by priority, then as given, except that of two packages with equal priority the one that wins a path
    (`Replaces`, diversion) is above the other.

    Raises:
        ConflictError: `file-conflict`, two packages own a path and nothing decides.

    """
    above: dict[int, set[int]] = {}
    refused: list[tuple[str, int, int]] = []
    owners: dict[str, tuple[int, Entry]] = {}
    for number in sorted(range(len(trees)), key=lambda number: trees[number].priority):
        for path, entry in trees[number].content.items():
            first, known = owners.setdefault(path, (number, entry))
            if first == number or _equal(known, entry) or trees[first].priority < trees[number].priority:
                continue
            winner = _winner(path, first, number, trees)
            if winner is None:
                refused.append((path, first, number))
                continue
            above.setdefault(first + number - winner, set()).add(winner)
            if winner == number:
                owners[path] = (number, entry)
    if refused:
        raise _conflict(refused, trees)
    return _ordered(trees, above)


def _equal(first: Entry, second: Entry) -> bool:
    return first.kind == second.kind and (first.kind == "directory" or first.content == second.content)


def _winner(path: str, first: int, second: int, trees: Sequence[Tree]) -> int | None:
    """Return which of two owners of equal priority has the path, None when nothing says."""
    for one, other in ((first, second), (second, first)):
        if path in trees[one].diverted and path not in trees[other].diverted:
            return one
    for one, other in ((second, first), (first, second)):
        if trees[other].id in trees[one].replaces:
            return one
    return None


def _ordered(trees: Sequence[Tree], above: Mapping[int, set[int]]) -> list[int]:
    """Sort by (priority, position) so that whatever is `above` a tree comes before it; a circle is cut open."""
    waiting = {number: set(above.get(number, ())) for number in range(len(trees))}
    ready = [(trees[number].priority, number) for number, before in waiting.items() if not before]
    heapq.heapify(ready)
    order: list[int] = []
    while waiting:
        if not ready:
            heapq.heappush(ready, min((trees[number].priority, number) for number in waiting))
        number = heapq.heappop(ready)[1]
        if waiting.pop(number, None) is None:
            continue
        order.append(number)
        for other, before in waiting.items():
            if number in before:
                before.discard(number)
                if not before:
                    heapq.heappush(ready, (trees[other].priority, other))
    return order


def _conflict(refused: Sequence[tuple[str, int, int]], trees: Sequence[Tree]) -> ConflictError:
    path, first, second = refused[0]
    more = len(refused) - 1
    others = "; ".join(f"/{p} of {trees[a].id} and {trees[b].id}" for p, a, b in refused[1:_SHOWN_MAX])
    return ConflictError(
        f"{trees[first].id} and {trees[second].id} both own /{path}, with different content",
        where=f"/{path}",
        why=f"and {more} more: {others}{'; ...' if more >= _SHOWN_MAX else ''}" if more else None,
        hint=f"say which one wins in the manifest: `priority = {trees[first].priority - 1}` for that install",
    )
