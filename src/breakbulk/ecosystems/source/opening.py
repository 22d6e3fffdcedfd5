"""A source, opened: its files at a place, with their digest. Here for a directory, in `commits` for Git."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from breakbulk.ecosystems.source.ignoring import rules_of
from breakbulk.ecosystems.source.remembered import recall, remember
from breakbulk.ecosystems.source.selection import Item, select, tree_digest
from breakbulk.manifest.schema import PathInstall
from breakbulk.settings import Settings

__all__ = ["Opened", "open_directory"]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A source whose `items` are in `root`; `notes` are for the user."""

    root: Path
    items: tuple[Item, ...]
    tree: str
    notes: tuple[str, ...] = ()


def open_directory(install: PathInstall, directory: Path, settings: Settings) -> Opened:
    """Return the source in a directory; `directory` is where a relative path starts. See `select` for the errors."""
    root = Path(directory, install.path).absolute()
    states = recall(settings.cache, root)
    selected = select(root, rules_of(root, install.exclude), states)
    if selected.states != states:
        with suppress(OSError):  # a cache that cannot be written costs time, and nothing else
            remember(settings.cache, root, selected.states)
    return Opened(root=root, items=selected.items, tree=tree_digest(selected.items))
