"""Which packages the recipes of a manifest make, and which of them are meant. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from breakbulk.errors import NotFoundError
from breakbulk.manifest.faults import nearest
from breakbulk.manifest.matrix import combinations, package_name
from breakbulk.manifest.schema import Build, CpuLevel, Install, Manifest

__all__ = ["Recipe", "all_recipes", "runtime_installs", "select"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One package to build.

    Attributes:
        name: Of the package.
        table: Of `[build]`, from which it comes.
        build: That table.
        values: What the matrix has for it.
        cpu: Level of x86-64 it is built for, None for any machine of the system.

    """

    name: str
    table: str
    build: Build
    values: dict[str, str] = {}
    cpu: CpuLevel | None = None

    @property
    def label(self) -> str:
        """What people read: the name, and the level where there is one."""
        return f"{self.name} ({self.cpu})" if self.cpu else self.name

    @property
    def destination(self) -> str:
        """Where the package is in the root file system."""
        return self.build.destination or f"/opt/{self.name}"


def all_recipes(manifest: Manifest, system: str) -> tuple[Recipe, ...]:
    """Return every package that the manifest's recipes make on `system`; levels lowest first."""
    return tuple(recipe for table, build in manifest.build.items() for recipe in _expanded(table, build, system))


def select(manifest: Manifest, words: Sequence[str], system: str) -> tuple[Recipe, ...]:
    """Return the recipes that `words` name, by package or by table; all of them where there are no words.

    Raises:
        NotFoundError: `build-unknown`, `build-none`.

    """
    recipes = all_recipes(manifest, system)
    if not recipes:
        raise NotFoundError(
            "the manifest has no [build] table",
            identifier="build-none",
            hint='add [build.NAME] with command = "..." that fills $out',
        )
    for word in words:
        if not any(word in {recipe.name, recipe.table} for recipe in recipes):
            raise _unknown(word, recipes)
    return tuple(recipe for recipe in recipes if not words or {recipe.name, recipe.table} & set(words))


def runtime_installs(manifest: Manifest, build: Build) -> dict[str, Install]:
    """Return the descriptors of what a package needs when it runs: those it names, by default all."""
    names = manifest.install if build.runtime_packages is None else build.runtime_packages
    return {name: manifest.install[name] for name in sorted(names) if name in manifest.install}


def _expanded(table: str, build: Build, system: str) -> Iterator[Recipe]:
    levels: list[CpuLevel | None] = [*sorted(build.cpu)] if build.cpu and system == "x86_64-linux" else [None]
    for values in combinations(build):
        for level in levels:
            yield Recipe(name=package_name(table, build, values), table=table, build=build, values=values, cpu=level)


def _unknown(word: str, recipes: Sequence[Recipe]) -> NotFoundError:
    names = sorted({recipe.name for recipe in recipes} | {recipe.table for recipe in recipes})
    meant = nearest(word, names)
    return NotFoundError(
        f"no recipe makes {word!r}",
        identifier="build-unknown",
        where="[build]",
        hint=f"write {meant}" if meant else f"there are {', '.join(names)}",
    )
