"""`breakbulk diff`: what differs between two locks, of this system; no index is asked."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.differing import difference_document, difference_text
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import NotFoundError
from breakbulk.hub.names import Reference, is_reference, parse_reference

if TYPE_CHECKING:
    from breakbulk.hub.hub import Hub
    from breakbulk.lock.model import Lock

__all__ = ["command"]


@declare(
    "diff",
    ("breakbulk diff", "Show what differs from the lock that was last committed to Git."),
    ("breakbulk diff v1.2", "Show what differs from the lock in the Git revision v1.2."),
    ("breakbulk diff ../staging ../production", "Compare the locks of two directories."),
    ("breakbulk diff ada/tickets", "Show what changed when its live generation became live."),
    ("breakbulk diff ada/tickets:3 ada/tickets:5", "Compare two generations on the hub."),
)
@click.argument("old", required=False, shell_complete=references.references)
@click.argument("new", required=False, shell_complete=references.references)
@click.option(
    "--system", metavar="SYSTEM", help="Compare for this system, such as aarch64-linux; by default this machine's."
)
def command(invocation: Invocation, old: str | None, new: str | None, system: str | None) -> None:
    """Show the packages that differ between two locks.

    OLD and NEW are each a lock file, a directory with one, a Git revision, or an environment of the hub as
    OWNER/NAME[:N]. By default OLD is the commit HEAD and NEW is the lock of the environment; of one environment of the
    hub it is shown what its generation changed. Packages added (+), removed (-) and changed (~) are shown with the
    bytes that must be fetched and the licences that are new.
    """
    from breakbulk.library import running_system
    from breakbulk.lock.differences import compare

    first = _said(invocation, old or "HEAD")
    if isinstance(first, Reference) and not new:
        before, after = _before_and_after(invocation.hub, first)
    else:
        before = _lock(invocation, first)
        after = _lock(invocation, _said(invocation, new)) if new else _current(invocation)
    difference = compare(before, after, system or running_system())
    invocation.show(difference_document(difference), lambda: difference_text(difference, invocation.style))


def _current(invocation: Invocation) -> Lock:
    environment = invocation.environment()
    lock = environment.read_lock()
    if lock is None:
        raise _missing(str(environment.lock_path))
    return lock


def _said(invocation: Invocation, word: str) -> Path | Reference | str:
    """Return what a word of the command line stands for: what is there, a Git revision, an environment of the hub.

    `origin/main` is written like an environment, so a revision of that name goes first; with a generation or digest it
    is none.
    """
    path = Path(word)
    if path.exists():
        return path
    if not is_reference(word):
        return word
    reference = parse_reference(word)
    return reference if reference.pinned or not _is_revision(invocation, word) else word


def _is_revision(invocation: Invocation, word: str) -> bool:
    directory = invocation.directory or Path()
    asked = ["git", "-C", str(directory), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}"]
    try:
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _before_and_after(hub: Hub, reference: Reference) -> tuple[Lock | None, Lock]:
    """Return the lock of what was live before a generation became live, None for the first, and that of it."""
    after = hub.resolve(reference).change
    if after.previous is None:
        return None, hub.lock(after)
    before = hub.resolve(parse_reference(f"{after.environment}:{after.previous}")).change
    return hub.lock(before), hub.lock(after)


def _lock(invocation: Invocation, said: Path | Reference | str) -> Lock:
    """Return the lock of what a word stands for."""
    from breakbulk.lock.files import LOCK_FILE, read_lock

    if isinstance(said, str):
        return _committed(invocation, said)
    if isinstance(said, Reference):
        return invocation.hub.lock(invocation.hub.resolve(said).change)
    path = said / LOCK_FILE if said.is_dir() else said
    lock = read_lock(path)
    if lock is None:
        raise _missing(str(path))
    return lock


def _committed(invocation: Invocation, revision: str) -> Lock:
    """Return the environment's lock as it is in a Git revision."""
    from breakbulk.lock.files import decode_lock

    path = invocation.environment().lock_path
    shown = subprocess.run(
        ["git", "-C", str(path.parent), "show", "--end-of-options", f"{revision}:./{path.name}"],
        capture_output=True,
        check=False,
    )
    if shown.returncode != 0:
        raise NotFoundError(
            f"{revision!r} is neither a lock file, nor a directory, nor a Git revision with {path.name}",
            identifier="lock-missing",
            where=str(path.parent),
            why=shown.stderr.decode(errors="replace").strip() or None,
            hint="name what to compare with: breakbulk diff OLD NEW",
        )
    return decode_lock(shown.stdout, f"{revision}:{path.name}")


def _missing(where: str) -> NotFoundError:
    return NotFoundError("there is no lock", identifier="lock-missing", where=where, hint="run `breakbulk lock`")
