"""`breakbulk show`: what a generation of an environment on the hub is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.recording import change_document, who
from breakbulk.cli.rendering import Style, columns, count, human_size, human_time, indented, printable

if TYPE_CHECKING:
    from breakbulk.hub.records import Change, Recorded
    from breakbulk.lock.model import Lock, LockedSystem, Package

__all__ = ["command"]

_HEADER = ("NAME", "VERSION", "FROM", "SIZE", "LICENCE")
_RIGHT = frozenset({3})
_INSTALL = "install."


@dataclass(frozen=True)
class _Shown:
    """A generation, the change that says which one is live, and the lock."""

    hub: str
    recorded: Recorded
    live: Change
    lock: Lock

    @property
    def variables(self) -> list[str]:
        return sorted(self.lock.manifest.get("vars") or {})

    @property
    def services(self) -> list[str]:
        return sorted(name for name in self.lock.manifest.get("services") or {} if name != "auto-start")


@declare(
    "show",
    ("breakbulk show ada/tickets", "Show the live generation."),
    ("breakbulk show ada/tickets:3 --all", "Show generation 3 with every package."),
    environment=False,
)
@click.argument("name", metavar="OWNER/NAME[:N]", shell_complete=references.references)
@click.option("-a", "--all", "everything", is_flag=True, help="Show what the packages need as well.")
@click.option("--system", metavar="SYSTEM", help="Show the packages of this system; by default this machine's.")
def command(invocation: Invocation, name: str, everything: bool, system: str | None) -> None:
    """Show what is in an environment of the hub, who pushed it, and how to run it.

    Nothing is downloaded but the lock. Signatures are listed; `breakbulk verify` checks them.
    """
    from breakbulk.hub.names import parse_reference
    from breakbulk.library import running_system

    hub = invocation.hub
    reference = parse_reference(name)
    found = hub.resolve(reference)
    current = (hub.current(reference.environment) if reference.pinned else None) or found
    shown = _Shown(hub.url, found, current.change, hub.lock(found.change))
    chosen = _system(shown.lock, system, running_system())
    invocation.show(
        _document(shown),
        lambda: f"{_about(shown, invocation.style)}\n\n{_packages(shown.lock, chosen, invocation.style, everything)}",
    )


def _system(lock: Lock, asked: str | None, here: str) -> str:
    """Return the system whose packages to show; raise `LockError` when it is not in the lock."""
    if asked is None:
        return here if here in lock.systems else min(lock.systems, default=here)
    if asked not in lock.systems:
        from breakbulk.errors import LockError

        raise LockError(
            f"the environment is not locked for {asked}",
            identifier="system-not-locked",
            hint=f"it is for {', '.join(sorted(lock.systems)) or 'no system'}",
        )
    return asked


def _document(shown: _Shown) -> dict[str, Any]:
    change = shown.recorded.change
    systems = sorted(shown.lock.systems.items())
    return {
        **change_document(shown.recorded),
        "live": shown.live.generation,
        "generations": shown.live.generations,
        "message": change.pushed_message,
        "systems": {name: _system_document(locked, change, name) for name, locked in systems},
        "installs": change.installs,
        "variables": shown.variables,
        "services": shown.services,
        "hub": shown.hub,
    }


def _system_document(locked: LockedSystem, change: Change, system: str) -> dict[str, Any]:
    return {
        "python": locked.python.version if locked.python else None,
        "prepared": system in change.prepared,
        "size_bytes": sum(package.size for package in locked.packages),
        "packages": [_package_document(package) for package in locked.packages],
    }


def _package_document(package: Package) -> dict[str, Any]:
    return {
        "id": package.id,
        "version": package.version,
        "size_bytes": package.size,
        "license": package.license,
        "purl": package.purl,
        "sha256": package.sha256,
        "installs": [reason.removeprefix(_INSTALL) for reason in package.why if reason.startswith(_INSTALL)],
    }


def _about(shown: _Shown, look: Style) -> str:
    change = shown.recorded.change
    facts = [(name, value) for name, value in _facts(shown) if value]
    width = max(len(name) for name, _ in facts)
    lines = [f"{look.faint(name.ljust(width))}  {indented(value, width + 2)}" for name, value in facts]
    return "\n".join([look.strong(f"{change.environment}:{change.generation}"), *lines])


def _facts(shown: _Shown) -> Iterator[tuple[str, str]]:
    change, live = shown.recorded.change, shown.live
    is_live = "yes" if live.generation == change.generation else f"no, {live.generation} is"
    yield "live", f"{is_live}; {count(live.generations, 'generation')}"
    yield "message", printable(change.pushed_message)
    yield change.kind, f"{human_time(change.time, datetime.now(UTC))} by {who(change)}"
    yield "digest", change.digest
    yield "signatures", ", ".join(signature.keyid for signature in shown.recorded.envelope.signatures) or "none"
    for system, locked in sorted(shown.lock.systems.items()):
        yield "system", _system_text(system, locked, change)
    yield "installs", printable(", ".join(change.installs))
    yield "variables", printable(", ".join(shown.variables))
    yield "services", printable(", ".join(shown.services))
    yield "hub", shown.hub
    yield "run it", f"breakbulk run -e {change.environment}:{change.generation} -- COMMAND"


def _system_text(system: str, locked: LockedSystem, change: Change) -> str:
    size = human_size(sum(package.size for package in locked.packages))
    python = f", Python {locked.python.version}" if locked.python else ""
    prepared = ", prepared" if system in change.prepared else ""
    return f"{system}: {count(len(locked.packages), 'package')}, {size}{python}{prepared}"


def _packages(lock: Lock, system: str, look: Style, everything: bool) -> str:
    packages = lock.systems[system].packages if system in lock.systems else ()
    shown = [package for package in packages if everything or any(why.startswith(_INSTALL) for why in package.why)]
    if not shown:
        return f"no packages for {system}"
    rows = [
        (package.name, package.version, package.ecosystem, human_size(package.size), package.license or "unknown")
        for package in shown
    ]
    others = len(packages) - len(shown)
    more = f" and {count(others, 'package')} they need (--all shows them)" if others else ""
    total = f"{count(len(shown), 'package')}{more} for {system}"
    return f"{columns(_HEADER, rows, look, right=_RIGHT)}\n{look.faint(total)}"
