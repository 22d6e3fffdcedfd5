"""Say of an entry of a composed manifest who wrote it where, what it replaced, and what was taken out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from breakbulk.manifest.composition import Composed
from breakbulk.manifest.faults import KeyPath, parse_key, render
from breakbulk.manifest.merging import Written

__all__ = ["Explained", "Source", "explain_keys"]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What one manifest wrote: its name, `file:line` where it has a file, the value."""

    manifest: str
    place: str
    value: Any


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One entry.

    Attributes:
        key: Its key path.
        sources: Who wrote it, in the order of its text; empty when it was taken out.
        replaced: What stood there before, oldest first.
        removed: What was taken out.
        removed_by: By whom: name and place of the manifests with that `remove`.

    """

    key: str
    sources: tuple[Source, ...] = ()
    replaced: tuple[Source, ...] = ()
    removed: tuple[Source, ...] = ()
    removed_by: tuple[str, ...] = ()


def explain_keys(composed: Composed, key: str | None = None) -> tuple[Explained, ...]:
    """Return the entry `key`, or everything below it, or with None every entry; none where there is no such key."""
    wanted = parse_key(key) if key is not None else ()
    if wanted is None:
        return ()
    paths = [origin.path for origin in composed.origins.values()]
    paths += [removal.origin.path for removal in composed.removals if removal.origin.path not in paths]
    return tuple(_explained(composed, path) for path in paths if path[: len(wanted)] == wanted)


def _explained(composed: Composed, path: KeyPath) -> Explained:
    origin = composed.origins.get(render(path))
    removals = [removal for removal in composed.removals if removal.origin.path == path]
    return Explained(
        key=render(path),
        sources=_sources(composed, path, origin.parts if origin else ()),
        replaced=_sources(composed, path, origin.replaced if origin else ()),
        removed=_sources(composed, path, [part for removal in removals for part in removal.origin.parts]),
        removed_by=tuple(composed.place(removal.by, ("remove",)) for removal in removals),
    )


def _sources(composed: Composed, path: KeyPath, written: Iterable[Written]) -> tuple[Source, ...]:
    return tuple(Source(manifest=part.by, place=composed.place(part.by, path), value=part.value) for part in written)
