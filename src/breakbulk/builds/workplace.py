"""Where a build runs: a directory of the store that does not outlive it, and the places it has inside.

    /build/source   a copy of the project's files, all of one time; the current directory
    /build/home     an empty home directory
    /build/recipe   the command, so that errors of bash have a line number
    $out            below the place that the package will have; changes anywhere else are dropped

The places are the same for every build on every machine: what ends up in the output by mistake does not differ. The
directory is in the store because an overlay can have its upper layer there; one that a killed process leaves is removed
by the next build.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from breakbulk.builds.recipes import Recipe
from breakbulk.ecosystems.source.opening import Opened
from breakbulk.ecosystems.source.packing import copy_tree
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.settings import Settings
from breakbulk.store.confined import Bind
from breakbulk.store.removal import remove_tree

__all__ = ["EPOCH_S", "SOURCE", "Workplace", "empty_workplace", "set_times", "workplace"]

EPOCH_S = 315532800
"""1980-01-01, the first day that a zip file can name: the time of every file of a source, and SOURCE_DATE_EPOCH."""

SOURCE = "/build/source"


class Workplace(msgspec.Struct, frozen=True, kw_only=True):
    """The directories of one build on this machine."""

    directory: Path

    @property
    def build(self) -> Path:
        """What is `/build` inside."""
        return self.directory / "build"

    @property
    def source(self) -> Path:
        """The copy of the project."""
        return self.build / "source"

    @property
    def upper(self) -> Path:
        """What the build changed of the root file system."""
        return self.directory / "root"

    @property
    def log(self) -> Path:
        """What the build wrote."""
        return self.directory / "log"

    @property
    def bind(self) -> Bind:
        """How `/build` comes about."""
        return Bind(source=self.build, target="/build", writable=True)

    def out(self, recipe: Recipe) -> Path:
        """Return what is `$out` inside."""
        return self.upper / recipe.destination.lstrip("/")


@contextmanager
def workplace(recipe: Recipe, source: Opened, settings: Settings, *, turned: bool = False) -> Iterator[Workplace]:
    """Give a workplace with the project's files; `turned` copies them in the opposite order, to see whether it counts.

    Raises `ResolutionError` `source-changing` when a file changes meanwhile; an `OSError` is the store's.
    """
    with empty_workplace(settings) as place:
        place.out(recipe).parent.mkdir(parents=True, exist_ok=True)
        _copy(source, place.source, turned=turned)
        (place.build / "recipe").write_text(recipe.build.command, encoding="utf-8")
        yield place


@contextmanager
def empty_workplace(settings: Settings) -> Iterator[Workplace]:
    """Give a workplace without a file."""
    parent = settings.store / "builds"
    parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _unlock_left_over(parent)
    with scratch(parent) as directory:
        place = Workplace(directory=directory)
        for part in (place.source, place.build / "home", place.upper):
            part.mkdir(parents=True)
        try:
            yield place
        finally:
            for part in (place.build, place.upper):
                remove_tree(part)


def set_times(directory: Path) -> None:
    """Give a directory and everything below it the one time that all files of a build have."""
    for inner, names, files in os.walk(directory, topdown=False):
        for name in (*names, *files):
            os.utime(Path(inner, name), (EPOCH_S, EPOCH_S), follow_symlinks=False)
    os.utime(directory, (EPOCH_S, EPOCH_S))


def _copy(source: Opened, into: Path, *, turned: bool) -> None:
    directories = tuple(item for item in source.items if item.kind == "directory")
    others = tuple(item for item in source.items if item.kind != "directory")
    copy_tree(source.root, (*directories, *(others[::-1] if turned else others)), into)
    set_times(into)


def _unlock_left_over(parent: Path) -> None:
    """Open the directories that the kernel made with mode 0 for an overlay whose process was killed."""
    for inner in parent.glob(".scratch-*/*.work/work"):
        inner.chmod(0o700)
