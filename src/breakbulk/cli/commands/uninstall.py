"""`breakbulk uninstall`: take packages out of the manifest and the lock."""

from __future__ import annotations

import click

from breakbulk.cli import completing
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation

__all__ = ["command"]


@declare(
    "uninstall",
    ("breakbulk uninstall pandas git", "Remove two packages, and whatever only they needed."),
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=completing.install_ids)
def command(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Remove packages from the environment.

    NAME is the name in the manifest, as `breakbulk list` shows it. The manifest's comments are kept. The store keeps
    the files, as other environments may use them.
    """
    from breakbulk.cli.changing import apply_change, change_document, change_text, read_text
    from breakbulk.manifest.editing import remove_install

    environment = invocation.environment()
    text = read_text(environment.manifest_path)
    for name in dict.fromkeys(names):
        text = remove_install(text, name)
    locked = apply_change(environment, text)
    document = {"uninstalled": list(names), **change_document(environment, locked)}
    invocation.report(document, lambda: change_text(invocation, locked))
