"""Which directories make a root file system, in which order: decided once per set of packages, then remembered.

The first time, the listings of all packages are compared (`conflicts`) and the order is written to
`compositions/<digest>`; from then on one small file is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from breakbulk.ecosystems.interface import Entry
from breakbulk.lock.model import Package, package_id
from breakbulk.store.bundle import bundled
from breakbulk.store.conflicts import Tree, arrange
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.milestones import passed
from breakbulk.store.records import Record, read_record

__all__ = ["check_conflicts", "compose"]

_MERGED = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}


def compose(layout: Layout, base: Path | None, packages: Sequence[Package]) -> tuple[Path, ...]:
    """Return the directories of a root file system, the top one first: base, then packages by priority.

    All packages are present. Raises `ConflictError` when two own one path and nothing decides.
    """
    names = [directory_name(package) for package in packages]
    key = hashlib.sha256(
        msgspec.json.encode([(name, package.priority) for name, package in zip(names, packages, strict=True)])
    ).hexdigest()
    marker = layout.compositions / key
    try:
        order = marker.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        order = [names[number] for number in arrange(_trees(layout, packages))]
        _remember(marker, order)
    trees = [layout.packages / name for name in dict.fromkeys(order)]
    return bundled(layout, [base, *trees] if base else trees)


def check_conflicts(layout: Layout, packages: Sequence[Package], listings: Mapping[str, Mapping[str, str]]) -> None:
    """Raise `ConflictError` for packages that cannot be mounted together, as far as their content is known.

    For use at lock time: `listings`, by package id, say what packages will own before they are fetched (relative path
    to a word for the content); of others the tree is compared if it is here, and when it comes.
    """
    arrange([tree for package in packages if (tree := _known(layout, package, listings.get(package.id)))])


def _known(layout: Layout, package: Package, listing: Mapping[str, str] | None) -> Tree | None:
    if listing is not None:
        content = {path: Entry("file", 0, word) for path, word in listing.items()}
        return Tree(id=package.id, priority=package.priority, content=content)
    return _tree(layout, package, read_record(layout, package)) if layout.tree(package).exists() else None


def _trees(layout: Layout, packages: Sequence[Package]) -> list[Tree]:
    return [_tree(layout, package, read_record(layout, package)) for package in packages]


def _tree(layout: Layout, package: Package, record: Record) -> Tree:
    if record.deb is None:
        return Tree(id=package.id, priority=package.priority, content=record.content)
    from breakbulk.store.base.diversions import diversions_of

    diversions = diversions_of(package.name, record.deb, layout.tree(package))
    return Tree(
        id=package.id,
        priority=package.priority,
        content=record.content,
        replaces=_replaced(record.deb.control),
        diverted=frozenset(_merged(diversion.path) for diversion in diversions),
    )


def _merged(path: str) -> str:
    """Return where the trees have a path that a maintainer script names: below usr, as merged-/usr has it."""
    relative = path.lstrip("/")
    return f"usr/{relative}" if relative.partition("/")[0] in _MERGED else relative


def _replaced(control: str) -> frozenset[str]:
    """Return the ids of packages named by `Replaces` (deb-control(5)).

    Versions are not compared: a package that replaces older files of another, and meets newer ones, would not ship
    the same paths.
    """
    value = ""
    inside = False
    for line in control.splitlines():
        if line.startswith((" ", "\t")):
            value += line if inside else ""
        else:
            field, _, rest = line.partition(":")
            inside = field.lower() == "replaces"
            value += rest if inside else ""
    words = (relation.strip().split("(")[0].split(":")[0].strip() for relation in value.split(","))
    return frozenset(package_id("deb", word) for word in words if word)


def _remember(marker: Path, order: Sequence[str]) -> None:
    import os

    half = marker.with_name(f"{marker.name}.{os.getpid()}")
    half.write_text("\n".join(order), encoding="utf-8")
    passed("composition-written")
    half.rename(marker)
