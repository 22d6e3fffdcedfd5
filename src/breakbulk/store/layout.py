"""Where everything is in a store, and under which name.

    packages/<key>-<name>-<version>/    the tree of one package: a lower directory of overlays; never changed
    packages/<same>@<digest>/           a tree that was not made from the archive here, but that whoever pushed an
                                        environment vouches for: for those whose pushers do, and no others
    records/<name of a tree>            what is known of it (`records`); written before the tree takes its name
    bundles/<digest>/                   trees merged with hard links, to be one layer of an overlay (`bundle`)
    records/<digest>                    the names of the trees that it was made of
    compositions/<digest>               an empty file: these trees have been found to fit together (`composition`)
    archives/<sha256>                   archives made here from the user's own sources
    staging/<name of a tree>.<token>/   half-made; may be removed by whoever holds the claim of `<key>`
    locks/claims                        one locked byte per tree in the making (`claims`)
    roots/                              what must be kept (`roots`)
    mnt/                                an empty directory; mounts over it are private to a process

The key is a digest of everything that decides the tree, so a tree is present or absent, never stale. A directory in
`packages` is complete: the rename that gives it its name is the commit.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from breakbulk.lock.model import Package

__all__ = ["KEY_DIGITS", "TREE_FORMAT", "Layout", "directory_name", "package_key", "plain_name", "vouched_name"]

TREE_FORMAT = 2
"""Raised whenever unpacking gives another tree for the same archive, or recording another digest of it."""

KEY_DIGITS = 32
_MARK = "@"  # in no name of a package: `_UNSAFE`
_UNSAFE = re.compile(r"[^A-Za-z0-9+.~_-]")
_WORD_MAX = 80  # two words, a key and a digest stay below the 255 bytes of a file name


def package_key(package: Package) -> str:
    """Return the 32 hexadecimal digits that name the tree `package` becomes."""
    parts = {
        "format": TREE_FORMAT,
        "ecosystem": package.ecosystem,
        "sha256": package.sha256,
        "python": package.python,
        "strip": package.strip,
        "destination": package.destination,
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:KEY_DIGITS]


def directory_name(package: Package) -> str:
    """Return `<key>-<name>-<version>`, safe as one path component and in overlay options (no colon, no comma).

    A tree that somebody vouches for has the beginning of its digest behind it, `@<digest>`, and the same key: who makes
    the one holds off who makes the other.
    """
    words = (_UNSAFE.sub("_", word)[:_WORD_MAX] for word in (package.name, package.version))
    name = "-".join((package_key(package), *words))
    return name if package.vouched is None else vouched_name(name, package.vouched)


def vouched_name(plain: str, digest: str) -> str:
    """Return the name of a tree that somebody vouches for, or that was made of such trees."""
    return f"{plain}{_MARK}{digest[:KEY_DIGITS]}"


def plain_name(directory: str) -> str:
    """Return the name that the tree has which was made here from the archive, given the name of any of a package."""
    return directory.partition(_MARK)[0]


class Layout:
    """Paths below a store's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packages = root / "packages"
        self.records = root / "records"
        self.bundles = root / "bundles"
        self.compositions = root / "compositions"
        self.archives = root / "archives"
        self.staging = root / "staging"
        self.locks = root / "locks"
        self.claims = self.locks / "claims"
        self.roots = root / "roots"
        self.mnt = root / "mnt"

    def tree(self, package: Package) -> Path:
        """Return the directory of a package's tree, present or not."""
        return self.packages / directory_name(package)

    def record(self, package: Package) -> Path:
        """Return the file of a package's record, present or not."""
        return self.records / directory_name(package)

    def prepare(self) -> None:
        """Make the directories; those of root are closed to others, as trees may hold setuid programs."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (
            self.packages,
            self.records,
            self.bundles,
            self.compositions,
            self.archives,
            self.staging,
            self.locks,
            self.mnt,
        ):
            directory.mkdir(exist_ok=True)
