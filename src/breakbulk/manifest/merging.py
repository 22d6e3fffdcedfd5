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

Lists are replaced, never joined, and nothing can be removed. All of it is pure; `composition` reads the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from breakbulk.manifest.faults import KeyPath, render
from breakbulk.manifest.reading import from_tables, to_builtins
from breakbulk.manifest.schema import Manifest

__all__ = ["CURRENT", "Folded", "Layer", "Override", "fold", "merge"]

CURRENT = "Current manifest"
"""What Flox calls the manifest that includes the others."""

Entries = dict[KeyPath, Any]
Rule = Literal["replace", "replace silently", "low first", "high first", "union"]

_UNIONS = {("containerize", "config", "exposed-ports"), ("containerize", "config", "volumes")}
_VERSIONS: tuple[KeyPath, ...] = (("schema-version",), ("version",))
_DEPTHS = {"install": 2, "vars": 2, "build": 2, "plugins": 2, "services": 2, "minimum-cli-version": 1}
"""How many keys lead to an entry; in all other tables every leaf is one."""


class Override(msgspec.Struct, frozen=True):
    """A warning: the entry `key` of the manifests `of` was replaced by the one of `by`."""

    key: str
    of: tuple[str, ...]
    by: str

    def __str__(self) -> str:
        return f"{self.key} of {' and '.join(self.of)} is overridden by {self.by}"


class Layer(msgspec.Struct, frozen=True):
    """A manifest to be merged, its name, and who wrote its entries where it is itself composed."""

    name: str
    manifest: Manifest
    provenance: Mapping[str, tuple[str, ...]] = {}

    def writers(self, key: str) -> tuple[str, ...]:
        """Return who wrote an entry: this layer, or `layer/name` for what it included itself."""
        names = self.provenance.get(key, (CURRENT,))
        return tuple(self.name if name == CURRENT else f"{self.name}/{name}" for name in names)


class Folded(msgspec.Struct, frozen=True):
    """What merging gave: the manifest, the writers of every entry in the order of its text, and the warnings."""

    manifest: Manifest
    provenance: dict[str, tuple[str, ...]]
    overrides: tuple[Override, ...]


def merge(low: Manifest, high: Manifest) -> Manifest:
    """Return `high` on top of `low`."""
    return fold([Layer("low", low), Layer("high", high)]).manifest


def fold(layers: Sequence[Layer]) -> Folded:
    """Return the merge of `layers`, lowest priority first."""
    entries: Entries = {}
    provenance: dict[str, tuple[str, ...]] = {}
    overrides: list[Override] = []
    for layer in layers:
        additions = dict(_entries(layer.manifest))
        if any(version in additions for version in _VERSIONS):
            _drop(_VERSIONS, entries, provenance)
        for path, value in additions.items():
            key = render(path)
            writers = layer.writers(key)
            if path not in entries:
                entries[path], provenance[key] = value, writers
                continue
            rule = _rule(path)
            if rule == "replace":
                overrides.append(Override(key, provenance[key], layer.name))
            provenance[key] = _joined(rule, provenance[key], writers)
            entries[path] = _merged(rule, entries[path], value)
    return Folded(from_tables(_tables(entries)), provenance, tuple(overrides))


def _entries(manifest: Manifest) -> Iterator[tuple[KeyPath, Any]]:
    for table, value in to_builtins(manifest).items():
        if table != "include":
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


def _joined(rule: Rule, low: tuple[str, ...], high: tuple[str, ...]) -> tuple[str, ...]:
    if rule == "high first":
        return high + low
    return low + high if rule in {"low first", "union"} else high


def _drop(paths: Iterable[KeyPath], entries: Entries, provenance: dict[str, tuple[str, ...]]) -> None:
    for path in paths:
        entries.pop(path, None)
        provenance.pop(render(path), None)
