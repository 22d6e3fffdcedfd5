"""`breakbulk diff`: what differs between two locks, of this system, without any network."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.differing import difference_document, difference_text
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import NotFoundError

if TYPE_CHECKING:
    from breakbulk.lock.model import Lock

__all__ = ["command"]


@declare(
    "diff",
    ("breakbulk diff", "Show what differs from the lock that was last committed to Git."),
    ("breakbulk diff v1.2", "Show what differs from the lock in the Git revision v1.2."),
    ("breakbulk diff ../staging ../production", "Compare the locks of two directories."),
)
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option(
    "--system", metavar="SYSTEM", help="Compare for this system, such as aarch64-linux; by default this machine's."
)
def command(invocation: Invocation, old: str | None, new: str | None, system: str | None) -> None:
    """Show the packages that differ between two locks.

    OLD and NEW are each a lock file, a directory with one, or a Git revision. By default OLD is the commit HEAD and NEW
    is the lock of the environment. Packages added (+), removed (-) and changed (~) are shown with the bytes that must
    be fetched and the licences that are new.
    """
    from breakbulk.library import running_system
    from breakbulk.lock.differences import compare

    before = _lock(invocation, old or "HEAD")
    after = _lock(invocation, new) if new else _current(invocation)
    difference = compare(before, after, system or running_system())
    invocation.show(difference_document(difference), lambda: difference_text(difference, invocation.style))


def _current(invocation: Invocation) -> Lock:
    environment = invocation.environment()
    lock = environment.read_lock()
    if lock is None:
        raise _missing(str(environment.lock_path))
    return lock


def _lock(invocation: Invocation, name: str) -> Lock:
    """Return the lock that a word of the command line stands for."""
    from breakbulk.lock.files import LOCK_FILE, read_lock

    path = Path(name)
    if not path.exists():
        return _committed(invocation, name)
    path = path / LOCK_FILE if path.is_dir() else path
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
