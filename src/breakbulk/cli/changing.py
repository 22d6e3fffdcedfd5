"""Change a manifest so that it and its lock change together, or neither does: for `install`, `uninstall` and `edit`.

The changed text is read, composed and locked before anything is written; when any of that fails, the manifest on disk
was never touched, and the user is told so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakbulk.cli.differing import difference_document, difference_text
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import BreakbulkError, ManifestError
from breakbulk.lock.replacing import replace_file

if TYPE_CHECKING:
    from breakbulk.library import Environment, Locked

__all__ = ["apply_change", "change_document", "change_text", "read_text", "write_text"]

_SHOWN = 8
"""Lines per kind of change; one package of Debian may bring a hundred."""


def read_text(path: Path) -> str:
    """Return the text of a manifest, which may be wrong; raise `ManifestError` when it cannot be read at all."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            "the manifest cannot be read", identifier="manifest-unreadable", where=str(path), why=str(error)
        ) from error


def apply_change(environment: Environment, text: str) -> Locked:
    """Lock the environment with `text` as its manifest, then write both.

    Raises:
        BreakbulkError: The text is no manifest, or nothing satisfies it; neither file has been touched.

    """
    from breakbulk.lock.files import write_lock

    try:
        locked = environment.with_text(text).relock(write=False)
    except BreakbulkError:
        environment.reporter.note(f"{environment.manifest_path.name} is as it was")
        raise
    write_text(environment.manifest_path, text)
    write_lock(environment.lock_path, locked.lock)
    for note in locked.notes:
        environment.reporter.note(note)
    return locked


def change_document(environment: Environment, locked: Locked) -> dict[str, Any]:
    """Return what changed as JSON values."""
    return {
        "manifest": environment.manifest_path,
        "lock": environment.lock_path,
        "notes": locked.notes,
        "difference": difference_document(locked.difference),
    }


def change_text(invocation: Invocation, locked: Locked) -> str:
    """Return what changed as text."""
    return difference_text(locked.difference, invocation.style, most=_SHOWN)


def write_text(path: Path, text: str) -> None:
    """Write a manifest in one step, keeping the mode it has; raise `ManifestError` when it cannot be written."""
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        replace_file(path, text.encode(), mode)
    except OSError as error:
        raise ManifestError(
            "the manifest cannot be written",
            identifier="manifest-not-writable",
            where=str(path),
            why=error.strerror,
            hint="make the directory writable",
        ) from error
