"""`breakbulk install`: put packages into the manifest and the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from breakbulk.cli import completing
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.library import Environment

__all__ = ["command"]


@declare(
    "install",
    ("breakbulk install pypi:pandas deb:git", "Add a distribution of the Python index and a Debian package."),
    ("breakbulk install 'pypi:rich>=13,<14' deb:nodejs=18*", "Add them with a condition on the version."),
    ("breakbulk install ./", "Add your own source in this directory."),
    ("breakbulk install --id tools git+https://example.org/tools@v1.2", "Add source in Git under a name you choose."),
)
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=completing.specs)
@click.option("--id", "install_id", metavar="ID", help="The name in the manifest; by default that of the package.")
def command(invocation: Invocation, specs: tuple[str, ...], install_id: str | None) -> None:
    """Add packages to the environment.

    Each SPEC is pypi:NAME, deb:NAME, a directory, git+URL@REVISION or an archive's URL#sha256=DIGEST. The manifest is
    edited, with its comments kept, and locked; when no set of packages satisfies it, nothing is changed.
    """
    from breakbulk.cli.changing import apply_change, change_document, change_text, read_text

    if install_id and len(specs) > 1:
        raise UsageError("--id names one package", hint="install the packages one after the other")
    environment = invocation.environment()
    text, added = _with_specs(environment, read_text(environment.manifest_path), specs, install_id)
    locked = apply_change(environment, text)
    document = {"installed": added, **change_document(environment, locked)}
    invocation.report(document, lambda: change_text(invocation, locked))
    invocation.suggest("breakbulk run -- COMMAND")


def _with_specs(
    environment: Environment, text: str, specs: tuple[str, ...], install_id: str | None
) -> tuple[str, list[str]]:
    """Return the manifest's text with each of `specs` installed, and the ids they got."""
    from breakbulk.environment.specification import current_directory
    from breakbulk.manifest.editing import add_install, choose_id
    from breakbulk.manifest.reading import parse_manifest
    from breakbulk.manifest.specs import parse_spec

    file = str(environment.manifest_path)
    added = []
    for word in specs:
        spec = parse_spec(word, directory=environment.directory, here=current_directory())
        name = install_id or choose_id(parse_manifest(text, file), spec)
        text = add_install(text, spec, install_id=name, file=file)
        added.append(name)
    return text, added
