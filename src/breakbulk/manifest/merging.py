"""Merge manifests, lowest priority first, by Flox's rules, and remember who wrote what.

A manifest is taken apart into **entries**, the pieces that are replaced or joined as a whole; merging is then one fold
over dictionaries. The rules, after Flox's `cli/flox-manifest/src/compose` (schema 1.15.0):

| entry | rule |
| --- | --- |
| each of `install`, `vars`, `build`, `plugins`, `services`; `minimum-cli-version` | the higher replaces, a warning |
| each leaf of `options`, `containerize.config`, each of its `labels` | the higher replaces, a warning |
| `services.auto-start`, `schema-version` (and the older `version`) | the higher replaces |
| `hook.on-activate`, `profile.*` | lower, newline, higher |
| `hook.on-deactivate`, `profile.deactivate.*` | higher, newline, lower: last in, first out |
| `containerize.config.exposed-ports`, `.volumes` | union, sorted |
| `include` | dropped: what it names is merged in |

Lists are replaced, never joined. What Flox lacks: `remove` of a manifest takes entries out of what it includes, before
its own are put in; it is then dropped like `include`. All of it is pure; `composition` reads the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from breakbulk.manifest.faults import Fault, KeyPath, nearest, parse_key, render
from breakbulk.manifest.reading import from_tables, to_builtins
from breakbulk.manifest.schema import Manifest

__all__ = ["CURRENT", "Folded", "Layer", "Origin", "Override", "Removal", "Written", "fold", "merge"]

CURRENT = "Current manifest"
"""What Flox calls the manifest that includes the others."""

Entries = dict[KeyPath, Any]
Rule = Literal["replace", "replace silently", "low first", "high first", "union"]

_UNIONS = {("containerize", "config", "exposed-ports"), ("containerize", "config", "volumes")}
_VERSIONS: tuple[KeyPath, ...] = (("schema-version",), ("version",))
_DEPTHS = {"install": 2, "vars": 2, "build": 2, "plugins": 2, "services": 2, "minimum-cli-version": 1}
"""How many keys lead to an entry; in all other tables every leaf is one."""
_DROPPED = {"include", "remove"}


class Written(msgspec.Struct, frozen=True):
    """What the manifest `by` wrote for an entry, as a plain value."""

    by: str
    value: Any


class Origin(msgspec.Struct, frozen=True):
    """Where an entry comes from: its parts in the order of the text, and what they replaced, oldest first."""

    path: KeyPath
    parts: tuple[Written, ...]
    replaced: tuple[Written, ...] = ()


class Override(msgspec.Struct, frozen=True):
    """A warning: the entry `key` of the manifests `of` was replaced by the one of `by`."""

    key: str
    of: tuple[str, ...]
    by: str

    def __str__(self) -> str:
        return f"{self.key} of {' and '.join(self.of)} is overridden by {self.by}"


class Removal(msgspec.Struct, frozen=True):
    """An entry that the manifest `by` took out of what it includes, with what was written there."""

    origin: Origin
    by: str


class Layer(msgspec.Struct, frozen=True):
    """A manifest to be merged, its name, and where its entries come from when it is itself composed."""

    name: str
    manifest: Manifest
    origins: Mapping[str, Origin] = {}
    removals: tuple[Removal, ...] = ()

    def origin(self, path: KeyPath, value: Any) -> Origin:
        """Return where an entry comes from: this layer, or `layer/name` for what it included itself."""
        inner = self.origins.get(render(path))
        if inner is None:
            return Origin(path, (Written(self.name, value),))
        return self._renamed(inner)

    def removed(self) -> Iterator[Removal]:
        """Yield what was taken out when this layer was composed."""
        for removal in self.removals:
            yield Removal(self._renamed(removal.origin), self._name(removal.by))

    def _renamed(self, origin: Origin) -> Origin:
        parts, replaced = (
            tuple(Written(self._name(part.by), part.value) for part in written)
            for written in (origin.parts, origin.replaced)
        )
        return Origin(origin.path, parts, replaced)

    def _name(self, inner: str) -> str:
        return self.name if inner == CURRENT else f"{self.name}/{inner}"


class Folded(msgspec.Struct, frozen=True):
    """What merging gave: the manifest, the origin of every entry, the warnings, and what was taken out."""

    manifest: Manifest
    origins: dict[str, Origin]
    overrides: tuple[Override, ...]
    removals: tuple[Removal, ...]


def merge(low: Manifest, high: Manifest) -> Manifest:
    """Return `high` on top of `low`."""
    return fold([Layer("low", low), Layer("high", high)]).manifest


def fold(layers: Sequence[Layer]) -> Folded:
    """Return the merge of `layers`, lowest priority first.

    Raises `Fault` at `remove[i]` of a layer that takes out what nothing below it sets (`remove-unknown`).
    """
    folding = _Folding()
    for layer in layers:
        folding.add(layer)
    manifest = from_tables(_tables(folding.entries))
    origins = {render(path): origin for path, origin in folding.origins.items()}
    return Folded(manifest, origins, tuple(folding.overrides), tuple(folding.removals))


class _Folding:
    """One fold: what has been merged so far."""

    def __init__(self) -> None:
        self.entries: Entries = {}
        self.origins: dict[KeyPath, Origin] = {}
        self.overrides: list[Override] = []
        self.removals: list[Removal] = []

    def add(self, layer: Layer) -> None:
        self.removals += layer.removed()
        for index, key in enumerate(layer.manifest.remove):
            self._remove(key, index, layer.name)
        additions = dict(_entries(layer.manifest))
        if any(version in additions for version in _VERSIONS):
            self._drop(_VERSIONS)
        for path, value in additions.items():
            self._put(path, value, layer)

    def _put(self, path: KeyPath, value: Any, layer: Layer) -> None:
        origin = layer.origin(path, value)
        if path not in self.entries:
            self.entries[path], self.origins[path] = value, origin
            return
        rule, before = _rule(path), self.origins[path]
        if rule == "replace":
            self.overrides.append(Override(render(path), tuple(part.by for part in before.parts), layer.name))
        self.origins[path] = _joined(rule, before, origin)
        self.entries[path] = _merged(rule, self.entries[path], value)

    def _remove(self, key: str, index: int, by: str) -> None:
        wanted = parse_key(key)
        found = [path for path in self.entries if wanted and path[: len(wanted)] == wanted]
        if not found:
            meant = nearest(key, map(render, self.entries))
            raise Fault(
                ("remove", index),
                f"takes out `{key}`, which nothing that is included sets",
                hint=f"write `{meant}`" if meant else "take it out of `remove`",
                identifier="remove-unknown",
            )
        self.removals += (Removal(self.origins[path], by) for path in found)
        self._drop(found)

    def _drop(self, paths: Iterable[KeyPath]) -> None:
        for path in paths:
            self.entries.pop(path, None)
            self.origins.pop(path, None)


def _entries(manifest: Manifest) -> Iterator[tuple[KeyPath, Any]]:
    for table, value in to_builtins(manifest).items():
        if table not in _DROPPED:
            yield from _flat((table,), value, _DEPTHS.get(table))


def _flat(path: KeyPath, value: Any, depth: int | None) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and (depth is None or len(path) < depth):
        for key, item in value.items():
            yield from _flat((*path, key), item, depth)
    else:
        yield path, value


def _tables(entries: Entries) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for path, value in entries.items():
        table = tables
        for key in path[:-1]:
            table = table.setdefault(str(key), {})
        table[str(path[-1])] = value
    return tables


def _rule(path: KeyPath) -> Rule:
    if path in _UNIONS:
        return "union"
    if path[:2] in {("hook", "on-deactivate"), ("profile", "deactivate")}:
        return "high first"
    if path[0] in {"hook", "profile"}:
        return "low first"
    if path in _VERSIONS or path == ("services", "auto-start"):
        return "replace silently"
    return "replace"


def _merged(rule: Rule, low: Any, high: Any) -> Any:
    match rule:
        case "low first":
            return f"{low}\n{high}"
        case "high first":
            return f"{high}\n{low}"
        case "union":
            return sorted({*low, *high})
        case _:
            return high


def _joined(rule: Rule, low: Origin, high: Origin) -> Origin:
    replaced = low.replaced + high.replaced
    match rule:
        case "high first":
            return Origin(high.path, high.parts + low.parts, replaced)
        case "low first" | "union":
            return Origin(high.path, low.parts + high.parts, replaced)
        case _:
            return Origin(high.path, high.parts, low.replaced + low.parts + high.replaced)
