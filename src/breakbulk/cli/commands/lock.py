"""`breakbulk lock`: make the lock say what the manifest asks for, or check that it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from breakbulk.cli import completing
from breakbulk.cli.declaration import declare
from breakbulk.cli.differing import difference_document, difference_text
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from breakbulk.library import Environment, Locked

__all__ = ["command"]


@declare(
    "lock",
    ("breakbulk lock", "Lock what the manifest asks for; what is locked already stays."),
    ("breakbulk lock --upgrade pandas", "Move pandas to its newest release, and nothing it does not force."),
    ("breakbulk lock --upgrade ada/base", "Take the included environment ada/base of the hub as it is live now."),
    ("breakbulk lock --strict", "Fail when the manifest silently overrides what it includes; `breakbulk explain`."),
    ("breakbulk lock --check", "Fail when the lock is out of date; for continuous integration."),
)
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=completing.upgradable_names)
@click.option("--upgrade", is_flag=True, help="Move packages or included environments, or all, to their newest.")
@click.option("--check", is_flag=True, help="Write nothing; fail when the lock does not fit the manifest.")
@click.option("--strict", is_flag=True, help="Fail when an included environment is overridden without `remove`.")
def command(invocation: Invocation, names: tuple[str, ...], *, upgrade: bool, check: bool, strict: bool) -> None:
    """Write the exact packages of the environment to breakbulk.lock.

    The lock holds, for each system, every package with its digest. Nothing in it moves unless the manifest or
    --upgrade asks for it, so commit it: others get the same environment.
    """
    _refuse_impossible(names, upgrade=upgrade, check=check)
    environment = invocation.environment(frozen=check)
    if strict:
        from breakbulk.manifest.composition import refuse_overrides

        refuse_overrides(environment.composed)
    if check:
        environment.current_lock()
        invocation.report({"current": True, "lock": environment.lock_path}, "the lock is up to date")
        return
    _refuse_unknown(environment, names)
    locked = environment.relock(upgrade=frozenset(names) if upgrade else None)
    for note in (*locked.notes, *(map(str, environment.composed.warnings) if locked.changed else ())):
        environment.reporter.note(note)
    document = {
        "lock": environment.lock_path,
        "changed": locked.changed,
        "notes": locked.notes,
        "difference": difference_document(locked.difference),
    }
    invocation.report(document, lambda: _text(invocation, locked))


def _text(invocation: Invocation, locked: Locked) -> str:
    if not locked.changed:
        return "the lock is up to date"
    changes = difference_text(locked.difference, invocation.style)
    systems = ", ".join(f"{system}: {len(found.packages)} packages" for system, found in locked.lock.systems.items())
    return f"{changes}\nlocked {systems}"


def _refuse_impossible(names: tuple[str, ...], *, upgrade: bool, check: bool) -> None:
    if check and upgrade:
        raise UsageError("--check writes nothing, --upgrade does", hint="use one of them")
    if names and not upgrade:
        raise UsageError(
            f"{names[0]!r} is not asked to do anything", hint=f"to upgrade: breakbulk lock --upgrade {' '.join(names)}"
        )


def _refuse_unknown(environment: Environment, names: tuple[str, ...]) -> None:
    """Raise `NotFoundError` for a name that is no install id, no locked package and no included environment."""
    known = set(environment.manifest.install)
    lock = environment.read_lock() if names else None
    known |= {word for name in lock.includes for word in (name, name.partition(":")[0])} if lock else set()
    known |= {package.name for system in lock.systems.values() for package in system.packages} if lock else set()
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, sorted(known), n=3)
            raise NotFoundError(
                f"the environment has no package {name!r}",
                identifier="package-not-locked",
                hint=f"did you mean {' or '.join(near)}?" if near else "`breakbulk list --all` shows every package",
            )
