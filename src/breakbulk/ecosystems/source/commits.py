"""The files of a commit, for as long as an archive is made of them. Counterpart of `opening`, for Git."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from breakbulk.ecosystems.source.git import Repository
from breakbulk.ecosystems.source.ignoring import tracked_only
from breakbulk.ecosystems.source.opening import Opened
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.ecosystems.source.selection import select, tree_digest
from breakbulk.errors import ResolutionError
from breakbulk.manifest.schema import GitInstall
from breakbulk.settings import Settings

__all__ = ["open_commit"]


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
