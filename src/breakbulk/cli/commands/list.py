"""`breakbulk list`: what is in the environment, from the lock and the store alone.

Answers in a quarter of a second, so it asks no network and imports nothing for drawing tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style, columns, count, human_size
from breakbulk.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path

    from breakbulk.lock.model import Package
    from breakbulk.settings import Settings

__all__ = ["command"]

_HEADER = ("NAME", "VERSION", "FROM", "SIZE", "STATE", "LICENCE")
_SIZE = _HEADER.index("SIZE")
_INSTALL = "install."


@dataclass(frozen=True)
class _Listed:
    """A package of the lock, and its tree when the store of this machine has one."""

    package: Package
    tree: Path | None
    stated: tuple[str, ...] | None = None
    """The licences that its files state; None when they were not looked at."""

    @property
    def installed(self) -> bool:
        """Whether it is in the store."""
        return self.tree is not None

    @property
    def installs(self) -> list[str]:
        """The install ids that ask for the package; none when it is only needed by others."""
        return [reason.removeprefix(_INSTALL) for reason in self.package.why if reason.startswith(_INSTALL)]

    def document(self) -> dict[str, Any]:
        package = self.package
        return {
            "id": package.id,
            "name": package.name,
            "version": package.version,
            "cpu": package.cpu,
            "ecosystem": package.ecosystem,
            "size_bytes": package.size,
            "license": package.license,
            "purl": package.purl,
            "sha256": package.sha256,
            "installs": self.installs,
            "installed": self.installed,
            **({} if self.stated is None else {"stated_licenses": self.stated}),
        }

    def row(self) -> tuple[str, ...]:
        package = self.package
        state = "installed" if self.installed else "locked"
        return (
            package.name,
            f"{package.version} ({package.cpu})" if package.cpu else package.version,
            package.ecosystem,
            human_size(package.size),
            state,
            ", ".join(self.stated or ()) or package.license or "unknown",
        )


@declare(
    "list",
    ("breakbulk list", "Show the packages that the manifest asks for."),
    ("breakbulk list --all --json", "Show every package of the lock, for a program."),
    ("breakbulk list --all --licences", "Show the licences that the files of Debian packages state."),
)
@click.option("-a", "--all", "everything", is_flag=True, help="Show what the packages need as well.")
@click.option("--licences", is_flag=True, help="Read the licences of Debian packages from their files in the store.")
def command(invocation: Invocation, everything: bool, licences: bool) -> None:
    """Show the packages of the environment.

    For each: version, where it comes from, the size of its archive, whether this machine's store has it already, and
    its licence. No index of Debian names licences, so a lock cannot; --licences reads what the files of installed
    packages state.
    """
    from breakbulk.library import running_system
    from breakbulk.lock.differences import packages_of
    from breakbulk.store.inventory import trees
    from breakbulk.store.layout import Layout, directory_name

    environment = invocation.runnable()
    lock = environment.read_lock()
    present = trees(Layout(invocation.settings.store))
    locked = packages_of(lock, running_system()).values()
    here = [_for_this_machine(package, invocation.settings) for package in locked]
    every = [_Listed(found, present.get(directory_name(found))) for found in here]
    listed = [item for item in every if everything or item.installs]
    if licences:
        listed = [_with_licences(item) for item in listed]
    waiting = _not_locked(environment.manifest.install, every)
    outdated = environment.outdated(lock)
    document = {
        "manifest": environment.place,
        "outdated": outdated,
        "not_locked": waiting,
        "packages": [item.document() for item in listed],
    }
    invocation.show(document, lambda: _text(listed, waiting, every, invocation.style))
    if outdated:
        invocation.suggest(f"breakbulk lock (because {outdated})")


def _with_licences(item: _Listed) -> _Listed:
    from breakbulk.store.licences import stated_licences

    stated = stated_licences(item.tree) if item.tree and item.package.ecosystem == "deb" else ()
    return replace(item, stated=stated)


def _for_this_machine(package: Package, settings: Settings) -> Package:
    """Return the package with the archive of this machine's level of CPU; one that does not run here as it is."""
    if package.cpu is None:
        return package
    from breakbulk.lock.variants import chosen
    from breakbulk.store.processor import running_level

    try:
        return chosen(package, running_level(settings))
    except PlatformError:
        return package


def _not_locked(wanted: Iterable[str], every: Sequence[_Listed]) -> list[str]:
    """Return the install ids of the manifest that no package of the lock is there for."""
    locked = {install for item in every for install in item.installs}
    return sorted(set(wanted) - locked)


def _text(listed: Sequence[_Listed], waiting: Sequence[str], every: Sequence[_Listed], look: Style) -> str:
    if not listed and not waiting:
        return "no packages yet"
    rows = [item.row() for item in listed] + [(name, "", "", "", "not locked", "") for name in waiting]
    size = human_size(sum(item.package.size for item in every))
    others = len(every) - len(listed)
    more = f" and {count(others, 'package')} they need (--all shows them)" if others else ""
    total = look.faint(f"{count(len(rows), 'package')}{more}; {size} of archives in all")
    return f"{columns(_HEADER, rows, look, right=frozenset({_SIZE}))}\n{total}"
