"""What is in a store: for `breakbulk store list` and `breakbulk store stats`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.errors import StoreError
from breakbulk.store.layout import KEY_DIGITS, Layout, plain_name
from breakbulk.store.records import Record, decode_record

__all__ = ["Listed", "Statistics", "list_packages", "stats", "trees"]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One tree that is present: `size` in bytes, `files` of it, `tree` is the digest of its listing.

    `vouched` says that it was not made here from the archive, but is taken on the word of whoever pushed it.
    """

    key: str
    ecosystem: str
    name: str
    version: str
    python: str | None
    size: int
    files: int
    tree: str
    vouched: bool
    path: str


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds; `size` in bytes, `ecosystems` counts packages, `bundles` cost directories only."""

    path: str
    packages: int
    size: int
    files: int
    bundles: int
    ecosystems: dict[str, int]


def list_packages(layout: Layout) -> list[Listed]:
    """Return the packages that are present, sorted by ecosystem, name and version."""
    listed = [
        Listed(
            key=key,
            ecosystem=record.package.ecosystem,
            name=record.package.name,
            version=record.package.version,
            python=record.package.python,
            size=record.size,
            files=record.files,
            tree=record.tree,
            vouched=name != plain_name(name),
            path=str(layout.packages / name),
        )
        for name, key, record in _records(layout)
    ]
    return sorted(listed, key=lambda package: (package.ecosystem, package.name, package.version, package.path))


def trees(layout: Layout) -> dict[str, Path]:
    """Return a tree of each package that is present, to be looked at, by `plain_name`; the one of its archive first."""
    try:
        names = sorted(os.listdir(layout.packages), reverse=True)  # the plain name is the shortest, so it is last
    except OSError:
        return {}
    return {plain_name(name): layout.packages / name for name in names}


def stats(layout: Layout) -> Statistics:
    """Return sums over a store."""
    packages = list_packages(layout)
    return Statistics(
        path=str(layout.root),
        packages=len(packages),
        size=sum(package.size for package in packages),
        files=sum(package.files for package in packages),
        bundles=sum(1 for _ in layout.bundles.iterdir()) if layout.bundles.is_dir() else 0,
        ecosystems=dict(sorted(Counter(package.ecosystem for package in packages).items())),
    )


def _records(layout: Layout) -> Iterator[tuple[str, str, Record]]:
    """Yield directory name, key and record of each package; of a store that was never used, nothing."""
    try:
        names = sorted(path.name for path in layout.packages.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError("the store cannot be read", where=str(layout.root), why=error.strerror) from error
    for name in names:
        path = layout.records / name
        if path.exists():
            yield name, name[:KEY_DIGITS], decode_record(path.read_bytes(), path)
