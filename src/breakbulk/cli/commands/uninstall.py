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

    NAME is the package's name, or its id in the manifest. The manifest's comments are kept. The store keeps
    the files, as other environments may use them.
    """
    from breakbulk.cli.changing import apply_change, change_document, change_text, read_text
    from breakbulk.manifest.editing import find_install, remove_install
    from breakbulk.manifest.reading import parse_manifest

    environment = invocation.environment()
    file = str(environment.manifest_path)
    text = read_text(environment.manifest_path)
    manifest = parse_manifest(text, file)
    removed = sorted({find_install(manifest, name) for name in names})
    for name in removed:
        text = remove_install(text, name, file=file)
    locked = apply_change(environment, text)
    document = {"uninstalled": removed, **change_document(environment, locked)}
    invocation.report(document, lambda: change_text(invocation, locked))
