"""`breakbulk store gc`, `pin`, `unpin`, `roots`, `verify`: what stays in the store of this machine, and is whole."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.quantities import Size, Span
from breakbulk.cli.rendering import columns, count, human_age, human_size
from breakbulk.errors import IntegrityError, NotFoundError

if TYPE_CHECKING:
    from breakbulk.store.caches import CachesCleared
    from breakbulk.store.collection import Collected
    from breakbulk.store.layout import Layout
    from breakbulk.store.roots import Root
    from breakbulk.store.verification import Checked

__all__ = ["COMMANDS"]

_SHOWN = 20  # differences of one package


@declare(
    "gc",
    ("breakbulk store gc --dry-run", "Show what nobody needs."),
    ("breakbulk store gc", "Remove it."),
    ("breakbulk store gc --free 5G", "Remove what was made longest ago, until 5 GB are free that were not."),
    ("breakbulk store gc --caches", "Clear caches too, of what was not used for a week and can be had again."),
    ("breakbulk store gc --explain pandas", "Show why a package stays."),
    environment=False,
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--history", type=click.IntRange(min=1), default=3, show_default=True, metavar="K",
              help="Keep so many of the digests run last of each environment of a hub.")  # fmt: skip
@click.option("--free", "free_bytes", type=Size(), metavar="SIZE", help="Remove no more than it takes to free SIZE.")
@click.option("--caches", is_flag=True, help="Clear also what hubs have said and downloads that broke off.")
@click.option("--older", type=Span(), default="7d", show_default=True, metavar="SPAN",
              help="Of caches, only what nobody has used for so long.")  # fmt: skip
@click.option("--explain", "word", metavar="PACKAGE", help="Show why packages of this name stay, and remove nothing.")
def gc(
    invocation: Invocation,
    *,
    dry_run: bool,
    history: int,
    free_bytes: int | None,
    caches: bool,
    older: timedelta,
    word: str | None,
) -> int | None:
    """Remove packages that nobody needs from the store.

    What stays: what the lock of a project needs that was realised here, for as long as the lock is there; what was
    pinned; the last digests of each environment of a hub that was run here; whatever is running. Where a lock cannot be
    read, no package is removed. Realisations and runs may go on meanwhile. Without what --caches clears, environments
    of a hub need the hub again, and downloads begin anew.
    """
    from breakbulk.store.collection import collect, why_kept
    from breakbulk.store.faults import store_fault
    from breakbulk.store.layout import Layout

    layout = Layout(invocation.settings.store)
    try:
        if word is not None:
            _explain(invocation, why_kept(layout, word), word)
            return None
        cleared = _cleared(invocation, older, dry_run=dry_run) if caches else None
        left = free_bytes if free_bytes is None or cleared is None else max(0, free_bytes - cleared.size)
        collected = collect(layout, history=history, free_bytes=left, dry_run=dry_run, reporter=invocation)
    except OSError as error:
        raise store_fault(error, layout.root, variable="BREAKBULK_STORE") from error
    document = _document(collected, cleared, dry_run=dry_run)
    invocation.report(document, lambda: _text(collected, cleared, dry_run=dry_run))
    for fault in collected.faults:
        invocation.note(f"nothing is removed: {fault}")
    return 1 if collected.faults else None


def _explain(invocation: Invocation, reasons: dict[str, list[str]], word: str) -> None:
    if not reasons:
        raise NotFoundError(
            f"the store has no package {word!r}", identifier="package-not-realised", hint="`breakbulk store list`"
        )
    lines = [
        f"{name.partition('-')[2]}: {'; '.join(found) or 'nobody needs it'}" for name, found in sorted(reasons.items())
    ]
    invocation.show({"packages": reasons}, "\n".join(lines))


def _cleared(invocation: Invocation, older: timedelta, *, dry_run: bool) -> CachesCleared:
    from breakbulk.store.caches import clear_caches
    from breakbulk.store.faults import store_fault

    cache = invocation.settings.cache
    try:
        return clear_caches(cache, older=older, dry_run=dry_run)
    except OSError as error:
        raise store_fault(error, cache, variable="BREAKBULK_CACHE") from error


def _document(collected: Collected, cleared: CachesCleared | None, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "removed": [
            {"name": one.name, "directory": one.directory, "size_bytes": one.size} for one in collected.removed
        ],
        "size_bytes": collected.size,
        "kept": collected.kept,
        "in_use": collected.in_use,
        "roots_dropped": collected.roots_dropped,
        "faults": collected.faults,
        "caches": {"files": cleared.files, "size_bytes": cleared.size} if cleared else None,
    }


def _text(collected: Collected, cleared: CachesCleared | None, *, dry_run: bool) -> str:
    lines = [f"{human_size(one.size):>10}  {one.name}" for one in collected.removed] if dry_run else []
    verb = "would be removed" if dry_run else "removed"
    lines.append(f"{count(len(collected.removed), 'package')} {verb}, {human_size(collected.size)}; "
                 f"{collected.kept} kept")  # fmt: skip
    if cleared is not None:
        lines.append(f"{count(cleared.files, 'file')} of caches {verb}, {human_size(cleared.size)}")
    if collected.in_use:
        lines.append(f"{count(len(collected.in_use), 'package')} without a lock kept, as they are in use")
    return "\n".join(lines)


@declare(
    "pin",
    ("breakbulk store pin ada/tickets:3", "Keep the packages of a generation, realised here or not yet."),
    ("breakbulk store pin . --name release", "Keep those of the lock in this directory as it is now."),
    environment=False,
)
@click.argument("place", metavar="OWNER/NAME[:N]|DIR", shell_complete=references.references)
@click.option("--name", help="What the pin is called, by default as the environment.")
def pin(invocation: Invocation, place: str, name: str | None) -> None:
    """Keep what an environment needs now in the store, until it is unpinned."""
    from breakbulk.library.opening import open_environment
    from breakbulk.store.faults import store_fault
    from breakbulk.store.layout import Layout
    from breakbulk.store.roots import pin as keep

    environment = open_environment(place, invocation.settings, invocation)
    environment.realise()
    lock = environment.read_lock()
    assert lock is not None  # noqa: S101 - what is realised is locked
    called = name or re.sub(r"[^A-Za-z0-9._@-]", "-", environment.name)
    try:
        keep(Layout(invocation.settings.store), called, lock)
    except OSError as error:
        raise store_fault(error, invocation.settings.store, variable="BREAKBULK_STORE") from error
    invocation.report({"pin": called, "environment": environment.place}, f"pinned {environment.place} as {called}")


@declare("unpin", ("breakbulk store unpin release", "Keep it no longer."), environment=False)
@click.argument("name")
def unpin(invocation: Invocation, name: str) -> None:
    """Take a pin back; the next `breakbulk store gc` removes what nobody else needs."""
    from breakbulk.store.layout import Layout
    from breakbulk.store.roots import unpin as let_go

    let_go(Layout(invocation.settings.store), name)
    invocation.report({"unpinned": name}, f"unpinned {name}")


@declare("roots", ("breakbulk store roots", "Show what packages are kept for."), environment=False)
def roots(invocation: Invocation) -> None:
    """Show the locks for which the store keeps packages."""
    from breakbulk.store.layout import Layout
    from breakbulk.store.roots import read_roots

    found = list(read_roots(Layout(invocation.settings.store)))
    document = {
        "roots": [
            {"kind": root.kind, "name": root.name, "used": root.used, "gone": root.gone, "fault": root.fault}
            for root in found
        ]
    }
    invocation.show(document, lambda: _roots_text(invocation, found))


def _roots_text(invocation: Invocation, found: list[Root]) -> str:
    if not found:
        return "nothing has been realised here yet"
    now = datetime.now(UTC)
    rows = [(root.kind, root.name, human_age((now - root.used).total_seconds()), _state(root)) for root in found]
    return columns(("KIND", "NAME", "USED", ""), rows, invocation.style)


def _state(root: Root) -> str:
    if root.fault:
        return f"cannot be read: {root.fault}"
    return "gone" if root.gone else ""


@declare(
    "verify",
    ("breakbulk store verify", "Compare everything in the store with what was put there."),
    ("breakbulk store verify pandas libc6 --repair", "Compare two packages, and make them again if they changed."),
    environment=False,
)
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--repair", is_flag=True, help="Make what has changed again, from the hub or the indices.")
def verify(invocation: Invocation, *, names: tuple[str, ...], repair: bool) -> int | None:
    """Read packages in the store and compare every file with what was recorded when it was put there.

    Names what changed: content, mode, link, missing or extra files. A package that something runs from is not repaired
    before that has ended.
    """
    from breakbulk.store.faults import store_fault
    from breakbulk.store.layout import Layout
    from breakbulk.store.verification import verify as compare

    layout = Layout(invocation.settings.store)
    try:
        checked = compare(layout, _named(layout, names), threads=invocation.settings.jobs, reporter=invocation)
        damaged = [one for one in checked if not one.good]
        failures = _mended(invocation, damaged) if repair else {one.directory: "" for one in damaged}
    except OSError as error:
        raise store_fault(error, layout.root, variable="BREAKBULK_STORE") from error
    document = {
        "packages": len(checked),
        "files": sum(one.files for one in checked),
        "size_bytes": sum(one.size for one in checked),
        "damaged": [_damage(one, repaired=one.directory not in failures) for one in damaged],
    }
    invocation.show(document, lambda: _verified_text(checked, failures))
    return IntegrityError.exit_code if failures else None


def _named(layout: Layout, words: tuple[str, ...]) -> list[str]:
    """Return the directories of the packages that are named, of all without names."""
    try:
        names = sorted(path.name for path in layout.packages.iterdir())
    except FileNotFoundError:
        return []
    for word in words:
        if not any(_is_called(name, word) for name in names):
            raise NotFoundError(
                f"the store has no package {word!r}", identifier="package-not-realised", hint="`breakbulk store list`"
            )
    return [name for name in names if not words or any(_is_called(name, word) for word in words)]


def _is_called(directory: str, word: str) -> bool:
    return directory == word or directory.partition("-")[2].startswith(f"{word}-")


def _mended(invocation: Invocation, damaged: list[Checked]) -> dict[str, str]:
    """Mend, and return why what is still damaged is."""
    from breakbulk.library.mending import mend

    outcome = mend(damaged, invocation.settings, invocation)
    return {one.directory: one.failure for one in outcome if one.failure is not None}


def _damage(checked: Checked, *, repaired: bool) -> dict[str, Any]:
    differences = [{"path": one.path, "how": one.how, "why": one.why} for one in checked.differences]
    return {"directory": checked.directory, "repaired": repaired, "differences": differences}


def _verified_text(checked: tuple[Checked, ...], failures: dict[str, str]) -> str:
    lines = []
    for one in checked:
        state = (
            "" if one.good else "repaired" if one.directory not in failures else failures[one.directory] or "damaged"
        )
        lines += [f"{one.directory.partition('-')[2]}: {state}"] if state else []
        lines += [f"  {each.how:8} {each.path or each.why}" for each in one.differences[:_SHOWN]]
        more = len(one.differences) - _SHOWN
        lines += [f"  and {more} more"] if more > 0 else []
    size = human_size(sum(one.size for one in checked))
    lines.append(f"{count(len(checked), 'package')}, {size}: " + ("damaged" if failures else "all is well"))
    return "\n".join(lines)


COMMANDS = (gc, pin, unpin, roots, verify)
