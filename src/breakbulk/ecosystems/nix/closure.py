"""A path of the Nix store with everything it refers to, found as Nix finds it: by looking into the files.

A store path is named by a hash that nothing else contains by chance, so a file that needs another path holds its name
(E. Dolstra, "The Purely Functional Software Deployment Model", 2006, section 3.4). Nix scans for the bare hash; here it
is the hash behind `/nix/store/`, which is how programs and links spell it.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path

from breakbulk.ecosystems.source.selection import Item, file_digest

__all__ = ["STORE", "closure", "items_of"]

STORE = "nix/store"
_REFERENCE = re.compile(rb"/nix/store/([0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+)")


def closure(root: Path, name: str) -> tuple[str, ...]:
    """Return `name` and the names of all store paths that it refers to, directly or not, sorted.

    `root` is where `nix/store` is found: `/`. A reference to what is not there is passed over, as builds leave some.
    """
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found and os.path.lexists(root / STORE / current):
            found.add(current)
            waiting.extend(_references(root / STORE / current))
    return tuple(sorted(found))


def items_of(root: Path, names: tuple[str, ...]) -> tuple[Item, ...]:
    """Return the files, links and directories of store paths, relative to `root`, sorted."""
    items = [Item("nix", "directory"), Item(STORE, "directory")]
    for name in names:
        items += [_item(root, path) for path in (root / STORE / name, *_below(root / STORE / name))]
    return tuple(sorted(items, key=lambda item: item.path))


def _below(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        return
    for place, directories, files in os.walk(path):
        yield from (Path(place, name) for name in (*directories, *files))


def _item(root: Path, path: Path) -> Item:
    name = str(path.relative_to(root))
    if path.is_symlink():
        return Item(name, "link", content=str(path.readlink()))
    if path.is_dir():
        return Item(name, "directory")
    status = path.stat()
    executable = bool(status.st_mode & 0o100)
    return Item(name, "file", executable=executable, content=file_digest(path), size=status.st_size)


def _references(path: Path) -> set[str]:
    found: set[str] = set()
    for each in (path, *_below(path)):
        if each.is_symlink():
            found.update(_names(os.fsencode(each.readlink())))
        elif each.is_file() and each.stat().st_size:
            with each.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found.update(_names(data))
    return found


def _names(data: bytes | mmap.mmap) -> set[str]:
    return {match.decode("ascii") for match in _REFERENCE.findall(data)}
