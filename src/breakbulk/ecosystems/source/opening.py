"""A source of the manifest, opened: its files at a place, with their digest, whether from a directory or from Git."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from breakbulk.ecosystems.source.git import Repository
from breakbulk.ecosystems.source.ignoring import rules_of, tracked_only
from breakbulk.ecosystems.source.remembered import recall, remember
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.ecosystems.source.selection import Item, select, tree_digest
from breakbulk.errors import ResolutionError
from breakbulk.manifest.schema import GitInstall, PathInstall
from breakbulk.settings import Settings

__all__ = ["Opened", "open_commit", "open_directory"]


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


@contextmanager
def open_commit(
    repository: Repository, commit: str, install: GitInstall, settings: Settings, install_id: str
) -> Iterator[Opened]:
    """Check a commit out for as long as the context lasts; raise `ResolutionError` when it lacks the subdirectory."""
    with scratch(settings.cache / "source") as place:
        checkout = Path(place, "source")
        repository.checkout(commit, checkout)
        root = _subdirectory(checkout, install, install_id)
        items = select(root, tracked_only(), {}).items
        left_out = ", ".join(repository.submodules(checkout))
        notes = (f"install.{install_id}: Git submodules are left out: {left_out}",) if left_out else ()
        yield Opened(root=root, items=items, tree=tree_digest(items), notes=notes)


def _subdirectory(checkout: Path, install: GitInstall, install_id: str) -> Path:
    root = checkout / (install.subdirectory or "")
    if root.is_dir() and root.resolve().is_relative_to(checkout.resolve()):
        return root
    raise ResolutionError(
        "the Git repository has no such subdirectory",
        identifier="git-subdirectory-missing",
        where=f"install.{install_id}",
        why=f"{install.subdirectory!r} is no directory of the commit",
        hint="correct subdirectory, or take another branch, tag or commit",
    )
