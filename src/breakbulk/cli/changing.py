"""Change a manifest so that it and its lock change together, or neither does: for `install`, `uninstall` and `edit`.

The changed text is read, composed and locked before anything is written; when any of that fails, the manifest on disk
is as it was, and the error says so.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakbulk.cli.differing import difference_document, difference_text
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import BreakbulkError, ManifestError

if TYPE_CHECKING:
    from breakbulk.library import Environment, Locked

__all__ = ["apply_change", "change_document", "change_text", "read_text"]

_SHOWN = 12
"""Lines per kind of change; one package of Debian may bring a hundred."""


def read_text(path: Path) -> str:
    """Return the text of a manifest; raise `ManifestError` when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(
            "the manifest cannot be read", identifier="manifest-unreadable", where=str(path), why=str(error)
        ) from error


def apply_change(environment: Environment, text: str) -> Locked:
    """Write `text` as the manifest of `environment` and lock it.

    Raises:
        BreakbulkError: The text is no manifest, or nothing satisfies it; the manifest is as it was.

    """
    path = environment.manifest_path
    before = read_text(path)
    _write(path, text)
    try:
        locked = type(environment).open(path.parent, environment.settings, environment.reporter).relock()
    except BaseException as error:
        _write(path, before)
        if isinstance(error, BreakbulkError):
            environment.reporter.note(f"{path.name} is as it was")
        raise
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


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, keeping its mode; raise `ManifestError` when it cannot be written."""
    try:
        mode = path.stat().st_mode & 0o777
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ManifestError(
            "the manifest cannot be written",
            identifier="manifest-not-writable",
            where=str(path),
            why=error.strerror,
            hint="make the directory writable",
        ) from error
