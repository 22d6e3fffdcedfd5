"""`breakbulk edit`: the manifest in the user's editor; what does not work never replaces what does.

The editor gets a copy. Only when the copy is a manifest that can be locked does it take the manifest's place; otherwise
the user is asked whether to go on editing it, and is told where it is when not.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import BreakbulkError, UsageError

if TYPE_CHECKING:
    from breakbulk.library import Environment, Locked

__all__ = ["command"]

_FALLBACKS = ("editor", "nano", "vi")


@declare(
    "edit",
    ("breakbulk edit", "Open breakbulk.toml in $VISUAL or $EDITOR, then lock it."),
    ("EDITOR='code --wait' breakbulk edit", "Use another editor."),
)
def command(invocation: Invocation) -> None:
    """Edit the manifest in your editor and lock it.

    What you save is checked first. When it is wrong, you see why and may go on editing; the manifest stays as it was
    until it is right.
    """
    from breakbulk.cli.changing import change_document, change_text, read_text

    environment = invocation.environment()
    before = read_text(environment.manifest_path)
    locked = _edited(invocation, environment, before)
    if locked is None:
        invocation.report({"changed": False, "manifest": environment.manifest_path}, "nothing was changed")
        return
    document = {"changed": True, **change_document(environment, locked)}
    invocation.report(document, lambda: change_text(invocation, locked))


def _edited(invocation: Invocation, environment: Environment, before: str) -> Locked | None:
    """Let the user edit until it locks; return None when nothing was changed."""
    from breakbulk.cli.changing import apply_change, read_text

    with tempfile.TemporaryDirectory(prefix="breakbulk-edit-") as directory:
        copy = Path(directory) / environment.manifest_path.name
        copy.write_text(before, encoding="utf-8")
        while True:
            _run_editor(invocation, copy)
            text = read_text(copy)
            if text == before:
                return None
            try:
                return apply_change(environment, text)
            except BreakbulkError as error:
                invocation.close()
                if not _wants_to_go_on(invocation, error):
                    error.hint = f"what you wrote is in {_kept(copy, invocation)}"
                    raise


def _wants_to_go_on(invocation: Invocation, error: BreakbulkError) -> bool:
    """Show the error and ask whether to edit again; False where nobody can be asked."""
    from breakbulk.cli.failures import rendered

    if invocation.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(rendered(error, invocation.error_style), file=sys.stderr)
    return click.confirm("Edit again?", default=True, err=True)


def _kept(copy: Path, invocation: Invocation) -> Path:
    """Keep what the user wrote where it outlives this call."""
    directory = invocation.settings.cache / "rejected"
    directory.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(copy, directory / f"{copy.stem}-{copy.parent.name[-8:]}{copy.suffix}"))


def _run_editor(invocation: Invocation, file: Path) -> None:
    editor = _editor(invocation.environ)
    # With --json standard output holds the document only, and an editor draws on what it is given.
    output = sys.stderr if invocation.json else None
    try:
        finished = subprocess.run([*editor, str(file)], stdout=output, check=False)
    except OSError as error:
        raise UsageError(
            f"the editor {editor[0]!r} cannot be started",
            identifier="editor-failed",
            why=error.strerror,
            hint="set VISUAL or EDITOR to your editor",
        ) from error
    if finished.returncode != 0:
        raise UsageError(
            f"the editor {editor[0]!r} ended with status {finished.returncode}",
            identifier="editor-failed",
            why="nothing was changed",
        )


def _editor(environ: Mapping[str, str]) -> list[str]:
    """Return the command of the user's editor: $VISUAL, $EDITOR, or one that is there."""
    configured = environ.get("VISUAL") or environ.get("EDITOR")
    if configured:
        return shlex.split(configured)
    for name in _FALLBACKS:
        if found := shutil.which(name):
            return [found]
    raise UsageError("there is no editor", identifier="editor-failed", hint="set EDITOR to your editor")
