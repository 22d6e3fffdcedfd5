"""`breakbulk explain`: why a package is in the environment, as the lock knows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from breakbulk.cli import completing
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, human_size
from breakbulk.errors import NotFoundError

if TYPE_CHECKING:
    from breakbulk.lock.model import Package

__all__ = ["chains", "command"]

_ROOTS = {"base": "every environment has it", "python": "every environment with Python has it"}


@declare(
    "explain",
    ("breakbulk explain libssl3", "Show who needs libssl3, from what the manifest asks for down to it."),
)
@click.argument("name", shell_complete=completing.locked_names)
def command(invocation: Invocation, name: str) -> None:
    """Show why a package is in the environment.

    For each package of the manifest that needs it, directly or not, the shortest way is shown.
    """
    from breakbulk.library import running_system
    from breakbulk.lock.differences import packages_of

    environment = invocation.runnable()
    packages = packages_of(environment.read_lock(), running_system())
    if not packages:
        raise NotFoundError(
            "there is no lock", identifier="lock-missing", where=environment.place, hint="run `breakbulk lock`"
        )
    found = [package for package in packages.values() if name in {package.name, package.id}]
    if not found:
        raise _unknown(name, packages)
    explained = [(package, chains(package.id, packages)) for package in found]
    document = [
        {"id": package.id, "version": package.version, "chains": [list(chain) for chain in ways]}
        for package, ways in explained
    ]
    invocation.show(
        {"packages": document},
        lambda: "\n\n".join(_text(package, ways, invocation.style) for package, ways in explained),
    )


def chains(target: str, packages: Mapping[str, Package]) -> list[tuple[str, ...]]:
    """Return the shortest way from each reason (`install.ID`, `base`, `python`) to the package `target`, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    seen = {target}
    queue: deque[tuple[str, ...]] = deque([(target,)])
    while queue:
        way = queue.popleft()
        for reason in packages[way[0]].why:
            if reason not in packages:
                found.setdefault(reason, (reason, *way))
            elif reason not in seen:
                seen.add(reason)
                queue.append((reason, *way))
    return [found[reason] for reason in sorted(found)]


def _text(package: Package, ways: list[tuple[str, ...]], look: Style) -> str:
    licence = package.license or "unknown licence"
    head = f"{look.strong(package.id)} {package.version}, {human_size(package.size)}, {licence}"
    return "\n".join([head, *(f"  {_way(way)}" for way in ways)])


def _way(way: tuple[str, ...]) -> str:
    meaning = _ROOTS.get(way[0])
    return " → ".join(way) + (f"   ({meaning})" if meaning and len(way) == 2 else "")


def _unknown(name: str, packages: Mapping[str, Package]) -> NotFoundError:
    from difflib import get_close_matches

    near = get_close_matches(name, sorted({package.name for package in packages.values()}), n=3)
    return NotFoundError(
        f"the lock has no package {name!r}",
        identifier="package-not-locked",
        hint=f"did you mean {' or '.join(near)}?" if near else "`breakbulk list --all` shows every package",
    )
