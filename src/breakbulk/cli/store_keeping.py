"""`breakbulk store gc`, `pin`, `unpin`, `roots`: what stays in the store of this machine, and why."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import columns, count, human_age, human_size
from breakbulk.errors import NotFoundError

if TYPE_CHECKING:
    from breakbulk.store.collection import Collected
    from breakbulk.store.roots import Root

__all__ = ["COMMANDS"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?i?)b?", re.IGNORECASE)


class _Size(click.ParamType[int]):
    """A size such as 5G, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SIZE.fullmatch(str(value))
        if match is None or match["unit"].lower() not in _UNITS:
            self.fail(f"{value!r} is no size; write 500M or 5G", param, ctx)
        return int(float(match["number"]) * _UNITS[match["unit"].lower()])


@declare(
    "gc",
    ("breakbulk store gc --dry-run", "Show what nobody needs."),
    ("breakbulk store gc", "Remove it."),
    ("breakbulk store gc --free 5G", "Remove what was made longest ago, until 5 GB are free that were not."),
    ("breakbulk store gc --explain pandas", "Show why a package stays."),
    environment=False,
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--history", type=click.IntRange(min=1), default=3, show_default=True, metavar="K",
              help="Keep so many of the digests run last of each environment of a hub.")  # fmt: skip
@click.option("--free", "free_bytes", type=_Size(), metavar="SIZE", help="Remove no more than it takes to free SIZE.")
@click.option("--explain", "word", metavar="PACKAGE", help="Show why packages of this name stay, and remove nothing.")
def gc(invocation: Invocation, *, dry_run: bool, history: int, free_bytes: int | None, word: str | None) -> int | None:
    """Remove packages that nobody needs from the store.

    What stays: what the lock of a project needs that was realised here, for as long as the lock is there; what was
    pinned; the last digests of each environment of a hub that was run here; whatever is running. Where a lock cannot be
    read, nothing is removed. Realisations and runs may go on meanwhile.
    """
    from breakbulk.store.collection import collect, why_kept
    from breakbulk.store.faults import store_fault
    from breakbulk.store.layout import Layout

    layout = Layout(invocation.settings.store)
    try:
        if word is not None:
            _explain(invocation, why_kept(layout, word), word)
            return None
        collected = collect(layout, history=history, free_bytes=free_bytes, dry_run=dry_run, reporter=invocation)
    except OSError as error:
        raise store_fault(error, layout.root, variable="BREAKBULK_STORE") from error
    invocation.report(_document(collected, dry_run=dry_run), lambda: _text(collected, dry_run=dry_run))
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


def _document(collected: Collected, *, dry_run: bool) -> dict[str, Any]:
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
    }


def _text(collected: Collected, *, dry_run: bool) -> str:
    lines = [f"{human_size(one.size):>10}  {one.name}" for one in collected.removed] if dry_run else []
    verb = "would be removed" if dry_run else "removed"
    lines.append(f"{count(len(collected.removed), 'package')} {verb}, {human_size(collected.size)}; "
                 f"{collected.kept} kept")  # fmt: skip
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


COMMANDS = (gc, pin, unpin, roots)
