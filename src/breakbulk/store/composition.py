"""Which directories make a root file system, in which order: decided once per set of packages, then remembered.

The first time, the listings of all packages are compared (`conflicts`) and the order is written to
`compositions/<digest>`; from then on one small file is read. Own sources are looked at each time, without listings.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from breakbulk.ecosystems.interface import Entry
from breakbulk.lock.model import Package, package_id
from breakbulk.store.bundle import BUNDLE_OVER, bundled
from breakbulk.store.conflicts import Tree, arrange
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.milestones import passed
from breakbulk.store.records import Record, read_record

__all__ = ["check_conflicts", "compose"]

_MERGED = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}


def compose(layout: Layout, base: Path | None, packages: Sequence[Package]) -> tuple[Path, ...]:
    """Return the directories of a root file system, the top one first: base, then packages by priority.

    All packages are present. The order of the user's own sources, which change from run to run, is not remembered: they
    are put among the others after a look at whether they share anything with them.

    Raises:
        ConflictError: Two packages own one path and nothing decides.

    """
    own = [package for package in packages if package.ecosystem == "source"]
    if own and _shares(layout, own, [package for package in packages if package.ecosystem != "source"]):
        order = _arranged(layout, packages)
    else:
        order = _merged_in(_settled(layout, [package for package in packages if package not in own]), own)
    trees = [layout.tree(package) for package in order]
    return (base, *bundled(layout, trees, most=BUNDLE_OVER - 1)) if base else bundled(layout, trees)


def _arranged(layout: Layout, packages: Sequence[Package]) -> list[Package]:
    return [packages[number] for number in arrange(_trees(layout, packages))]


def _settled(layout: Layout, packages: Sequence[Package]) -> list[Package]:
    """Return packages in the order of their layers; what has been found out once is read from a file."""
    named = {directory_name(package): package for package in packages}
    key = hashlib.sha256(msgspec.json.encode([(name, package.priority) for name, package in named.items()])).hexdigest()
    try:
        order = (layout.compositions / key).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        order = [directory_name(package) for package in _arranged(layout, packages)]
        _remember(layout, key, order)
    return [named[name] for name in dict.fromkeys(order) if name in named]


def _merged_in(settled: Sequence[Package], own: Sequence[Package]) -> list[Package]:
    """Put packages that share no path with the others where their priority says."""
    order = list(settled)
    for package in own:
        below = (number for number, other in enumerate(order) if other.priority > package.priority)
        order.insert(next(below, len(order)), package)
    return order


def _shares(layout: Layout, own: Sequence[Package], others: Sequence[Package]) -> bool:
    """Say whether a tree of `own` has a path, other than a directory, that any other tree has."""
    trees = [os.fspath(layout.tree(package)) for package in (*own, *others)]
    for number, package in enumerate(own):
        known = _Holders(trees[:number] + trees[number + 1 :])
        content = read_record(layout, package).content
        if any(known.clash(path, is_directory=entry.kind == "directory") for path, entry in content.items()):
            return True
    return False


class _Holders:
    """Which trees have a directory: asked from the top down, few are left after two steps."""

    def __init__(self, trees: list[str]) -> None:
        self._having = {"": trees}

    def clash(self, path: str, *, is_directory: bool) -> bool:
        """Say whether a tree has at `path` what cannot be merged with what we have there."""
        modes = [mode for tree in self._of(path.rpartition("/")[0]) if (mode := _mode(f"{tree}/{path}")) is not None]
        return any(not (is_directory and stat.S_ISDIR(mode)) for mode in modes)

    def _of(self, directory: str) -> list[str]:
        if directory not in self._having:
            parents = self._of(directory.rpartition("/")[0])
            self._having[directory] = [tree for tree in parents if _mode(f"{tree}/{directory}") is not None]
        return self._having[directory]


def _mode(path: str) -> int | None:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


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


def _remember(layout: Layout, key: str, order: Sequence[str]) -> None:
    """Write the marker by way of the staging directory, where whatever a killed process leaves is removed."""
    from breakbulk.store.claims import Claims
    from breakbulk.store.staging import Stage

    with Claims(layout.claims) as claims:
        claims.wait(key)
        stage = Stage(layout, key)
        try:
            stage.make()
            stage.record.write_text("\n".join(order), encoding="utf-8")
            passed("composition-written")
            stage.record.rename(layout.compositions / key)
        finally:
            stage.discard()
