"""`breakbulk store`: what this machine keeps, and where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli import completing, store_keeping
from breakbulk.cli.declaration import Group, declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, columns, count, human_size
from breakbulk.errors import NotFoundError

if TYPE_CHECKING:
    from breakbulk.store.inventory import Listed, Statistics

__all__ = ["command"]

_HEADER = ("NAME", "VERSION", "FROM", "PYTHON", "SIZE", "FILES")
_RIGHT = frozenset({4, 5})

command = Group(
    "store",
    help="Show and tidy what this machine keeps.\n\nEvery package is kept once, unpacked and read-only, for all "
    "environments.",
    examples=(
        ("breakbulk store path", "Print where the store is."),
        ("breakbulk store stats", "Print how much it holds."),
        ("breakbulk store gc", "Remove what nobody needs."),
    ),
)


@declare(
    "path",
    ("breakbulk store path", "Print the directory of the store."),
    ("breakbulk store path jq", "Print the directory of a package of the environment."),
)
@click.argument("name", required=False, shell_complete=completing.locked_names)
def path(invocation: Invocation, name: str | None) -> None:
    """Print where the store, or a package in it, is.

    The directories of packages are shared by all environments: read them, never write them.
    """
    found = _tree(invocation, name) if name else invocation.settings.store
    invocation.show({"path": found}, str(found))


@declare(
    "list",
    ("breakbulk store list", "Show every package that is kept."),
    environment=False,
)
def list_(invocation: Invocation) -> None:
    """Show the packages in the store, with the size of their files."""
    from breakbulk.store.inventory import list_packages
    from breakbulk.store.layout import Layout

    packages = list_packages(Layout(invocation.settings.store))
    invocation.show({"packages": packages}, lambda: _list_text(packages, invocation.style))


@declare(
    "stats",
    ("breakbulk store stats --json", "Print the sums for a program."),
    environment=False,
)
def stats(invocation: Invocation) -> None:
    """Show how much the store holds, and how much room is left for it."""
    from breakbulk.store import inventory
    from breakbulk.store.layout import Layout

    found = inventory.stats(Layout(invocation.settings.store))
    free_bytes = _free_bytes(invocation.settings.store)
    document = {
        "path": found.path,
        "packages": found.packages,
        "size_bytes": found.size,
        "files": found.files,
        "bundles": found.bundles,
        "ecosystems": found.ecosystems,
        "free_bytes": free_bytes,
    }
    invocation.show(document, lambda: _stats_text(found, free_bytes))


for _command in (path, list_, stats, *store_keeping.COMMANDS):
    command.add_command(_command)


def _tree(invocation: Invocation, name: str) -> Path:
    """Return the directory of a package that the lock names."""
    from breakbulk.library import running_system
    from breakbulk.lock.differences import packages_of
    from breakbulk.store.inventory import trees
    from breakbulk.store.layout import Layout, directory_name

    layout = Layout(invocation.settings.store)
    environment = invocation.runnable()
    packages = packages_of(environment.read_lock(), running_system())
    wanted = [package for package in packages.values() if name in {package.name, package.id}]
    if not wanted:
        raise NotFoundError(
            f"the lock has no package {name!r}",
            identifier="package-not-locked",
            hint="`breakbulk list --all` shows every package",
        )
    present = [package for package in wanted if directory_name(package) in trees(layout)]
    if not present:
        raise NotFoundError(
            f"{name} is not in the store yet",
            identifier="package-not-realised",
            where=str(layout.tree(wanted[0])),
            hint="run `breakbulk realise`",
        )
    plain = layout.tree(present[0])
    if plain.is_dir():
        return plain
    chosen = environment.realise().trees  # whether this environment believes who vouches for what is there
    return next(layout.tree(package) for package in chosen if package.id == present[0].id)


def _list_text(packages: list[Listed], look: Style) -> str:
    if not packages:
        return "the store is empty"
    rows = [
        (item.name, item.version, _origin(item), item.python or "", human_size(item.size), str(item.files))
        for item in packages
    ]
    total = f"{count(len(packages), 'package')}, {human_size(sum(item.size for item in packages))}"
    return f"{columns(_HEADER, rows, look, right=_RIGHT)}\n{look.faint(total)}"


def _origin(item: Listed) -> str:
    return f"{item.ecosystem} (prepared)" if item.vouched else item.ecosystem


def _stats_text(found: Statistics, free_bytes: int) -> str:
    kinds = ", ".join(f"{number} {name}" for name, number in found.ecosystems.items())
    lines = [
        f"store     {found.path}",
        f"packages  {found.packages}" + (f" ({kinds})" if kinds else ""),
        f"files     {found.files}",
        f"size      {human_size(found.size)}",
        f"free      {human_size(free_bytes)}",
    ]
    return "\n".join(lines)


def _free_bytes(directory: Path) -> int:
    """Return the room left on the file system of the store, or of where it will be."""
    existing = next(place for place in (directory, *directory.parents) if place.exists())
    status = os.statvfs(existing)
    return status.f_bavail * status.f_frsize
