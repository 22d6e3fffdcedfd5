"""Whether the base package is there already: its name, and the way in for whoever needs it.

On the way to every command that a user starts, so what makes the tree (`building`) is imported when it must be made.
The tree's name is a digest of everything that decides it: the format, the trees of the packages that can matter, the
locales, and whether owners are applied. What is made of trees that somebody vouches for has `@<digest>` behind the name
it would have without, as those trees have. Python distributions are left out of that: they live below /usr/local and no
contributor looks there, so that changing one does not make another base package.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import msgspec

from breakbulk.store.layout import KEY_DIGITS, Layout, directory_name, plain_name, vouched_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from breakbulk.lock.model import LockedSystem, Package
    from breakbulk.manifest.schema import Manifest
    from breakbulk.reporting import Reporter
    from breakbulk.settings import Settings

__all__ = ["BASE_FORMAT", "base_name", "realise_base", "relevant"]

BASE_FORMAT = 2
"""Raised whenever the same packages give another base package."""

_OWN_PLACES = ("/opt/", "/home/", "/srv/", "/usr/local/")


def realise_base(
    layout: Layout,
    system: LockedSystem,
    manifest: Manifest,
    settings: Settings,  # noqa: ARG001 - the interface of every step of a realisation
    reporter: Reporter,
) -> Path:
    """Return the tree of the environment's base package, made if it is not there; its packages must be present.

    Raises:
        ManifestError: `locales-missing`, `locale-unknown`.
        StoreError: `record-damaged`, `base-program-failed`.
        OSError: The store cannot be written; `realise` words it.
        PlatformError: when a confined program cannot be started.

    """
    packages = relevant(system)
    locales = manifest.options.locales or ()
    name = base_name(packages, locales, owners=os.geteuid() == 0)
    tree = layout.packages / name
    if not tree.is_dir():
        from breakbulk.store.base.building import make_base

        make_base(layout, packages, locales, name, reporter)
    return tree


def relevant(system: LockedSystem) -> tuple[Package, ...]:
    """Return the packages that can matter to the base package, in overlay order."""
    ordered = sorted(system.packages, key=lambda package: package.priority)
    return tuple(package for package in ordered if _matters(package))


def _matters(package: Package) -> bool:
    if package.destination is not None:
        return not f"{package.destination}/".startswith(_OWN_PLACES)
    return package.ecosystem not in ("pypi", "source", "archive")


def base_name(packages: Sequence[Package], locales: Sequence[str], *, owners: bool) -> str:
    """Return `<key>-base-<format>`, the name of the tree in the store."""
    names = [directory_name(package) for package in packages]
    plain = [plain_name(name) for name in names]
    key = _digest([BASE_FORMAT, plain, sorted(locales), owners])[:KEY_DIGITS]
    name = f"{key}-base-{BASE_FORMAT}"
    return name if names == plain else vouched_name(name, _digest(names))


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
