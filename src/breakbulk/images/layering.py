"""Which tree is in which layer of an image. Pure.

Images share layers by digest, so a layer holds one package where there is room, and then two environments share the
layers of the packages that they share. Runtimes take some 120 layers: beyond `SINGLES_MAX` packages the largest have
layers of their own, and of the rest those whose names have one digest share a layer, whatever else there is.

The order of layers matters only between trees that have a path in common and do not agree on it: these become one
layer, merged as the overlay merges them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from breakbulk.images.content import Leaf, Tree

__all__ = ["LAYERS_MAX", "LayerPlan", "plan"]

SINGLES_MAX = 80
BUCKETS = 16
LAYERS_MAX = SINGLES_MAX + BUCKETS + 3
"""Beside packages: those that were merged, the base package, and what is the image's own."""


class LayerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One layer: what it is, in words, and its paths."""

    title: str
    leaves: dict[str, Leaf]


def plan(base: Tree | None, trees: Sequence[Tree]) -> list[LayerPlan]:
    """Return the layers of an image, the lowest first; `trees` are in the order of the overlay, the top one first."""
    contested = _contested(trees)
    free = [tree for tree in trees if tree.name not in contested]
    layers = [_layer(group) for group in _groups(free)]
    layers += [_layer([tree for tree in trees if tree.name in contested])] if contested else []
    return layers + ([_layer([base])] if base else [])


def _groups(trees: list[Tree]) -> list[list[Tree]]:
    by_size = sorted(trees, key=lambda tree: (-tree.size, tree.name))
    singles = by_size if len(trees) <= SINGLES_MAX + BUCKETS else by_size[:SINGLES_MAX]
    buckets: dict[int, list[Tree]] = {}
    for tree in sorted(by_size[len(singles) :], key=lambda tree: tree.name):
        buckets.setdefault(_bucket(tree), []).append(tree)
    alone = sorted(singles, key=lambda tree: (_id(tree), tree.name))
    return [[tree] for tree in alone] + [buckets[number] for number in sorted(buckets)]


def _bucket(tree: Tree) -> int:
    """Return the number of a small tree's layer: that of its name, so that another version changes one layer."""
    return hashlib.sha256(_id(tree).encode()).digest()[0] % BUCKETS


def _id(tree: Tree) -> str:
    return tree.package.id if tree.package else tree.name


def _contested(trees: Iterable[Tree]) -> set[str]:
    """Return the names of trees that do not agree with another on a path: their order decides."""
    owners: dict[str, list[tuple[str, Leaf]]] = {}
    for tree in trees:
        for path, leaf in tree.leaves.items():
            owners.setdefault(path, []).append((tree.name, leaf))
    contested: set[str] = set()
    for having in owners.values():
        first = having[0][1].entry
        if len(having) > 1 and any(leaf.entry != first or leaf.entry.kind != "directory" for _, leaf in having[1:]):
            contested.update(name for name, _ in having)
    return contested


def _layer(trees: Sequence[Tree]) -> LayerPlan:
    title = ", ".join(f"{_id(tree)} {tree.package.version}" if tree.package else tree.name for tree in trees)
    return LayerPlan(title=title, leaves=_merged(trees))


def _merged(trees: Sequence[Tree]) -> dict[str, Leaf]:
    """Return what an overlay of `trees`, the first on top, shows."""
    if len(trees) == 1:
        return trees[0].leaves
    shown: dict[str, Leaf] = {}
    for tree in trees:
        above = dict(shown)
        for path, leaf in sorted(tree.leaves.items()):
            if path not in above and not _is_hidden(path, above):
                shown[path] = _unlinked(leaf, tree, above)
    return dict(sorted(shown.items()))


def _is_hidden(path: str, above: dict[str, Leaf]) -> bool:
    """Tell whether a tree above has something other than a directory where this path has one."""
    parent = path.rpartition("/")[0]
    while parent:
        if parent in above and above[parent].entry.kind != "directory":
            return True
        parent = parent.rpartition("/")[0]
    return False


def _unlinked(leaf: Leaf, tree: Tree, above: dict[str, Leaf]) -> Leaf:
    """Return a hard link as a file of its own where what it is linked to is hidden."""
    if leaf.same_as is None or leaf.same_as not in above:
        return leaf
    return msgspec.structs.replace(tree.leaves[leaf.same_as], source=leaf.source, same_as=None)
