"""`breakbulk pull`: bring an environment of the hub into a directory, to run it there or to change it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import count
from breakbulk.errors import UsageError

if TYPE_CHECKING:
    from breakbulk.hub.names import Reference
    from breakbulk.library.pulling import Pulled

__all__ = ["command"]


@declare(
    "pull",
    ("breakbulk pull ada/tickets", "Write its manifest and lock into this directory, and fetch its packages."),
    ("breakbulk pull ada/tickets:3 --into old", "Do so with generation 3, in the directory old."),
    ("breakbulk pull", "Go on to the live generation, where an environment was pulled before."),
    environment=False,
)
@click.argument("name", metavar="[OWNER/NAME[:N]]", required=False, shell_complete=references.references)
@click.option(
    "--into", metavar="DIRECTORY", type=click.Path(path_type=Path), help="Where to, by default here; made if absent."
)
@click.option("--force", is_flag=True, help="Overwrite a manifest and lock that were changed here.")
@click.option("--no-realise", is_flag=True, help="Write the files and fetch no packages.")
def command(invocation: Invocation, name: str | None, into: Path | None, force: bool, no_realise: bool) -> None:
    """Bring an environment of the hub into a directory.

    The manifest comes as it was pushed, with its comments, and the lock with it: `breakbulk run` there runs the same
    packages. Change it as any other, and push it again. To run it as it is, no pull is needed: `breakbulk run -e
    OWNER/NAME`.
    """
    from breakbulk.environment.specification import current_directory
    from breakbulk.library.pulling import pull

    directory = current_directory() / (into or "")
    reference = _reference(directory, name)
    pulled = pull(reference, directory, invocation.settings, invocation, force=force, realise=not no_realise)
    for install in pulled.absent:
        invocation.note(f"the source of {install} is not pulled: its archive on the hub is used until you put it there")
    invocation.report(_document(pulled), lambda: _text(pulled))
    invocation.suggest("breakbulk run -- COMMAND" if into is None else f"cd {into} && breakbulk run -- COMMAND")


def _reference(directory: Path, name: str | None) -> Reference:
    from breakbulk.hub.names import parse_reference
    from breakbulk.library.upstream import read_upstream

    known = read_upstream(directory)
    if name is None and known is None:
        raise UsageError(
            "nothing has been pulled into this directory yet",
            identifier="pull-unnamed",
            where=str(directory),
            hint="breakbulk pull OWNER/NAME",
        )
    return parse_reference(name or (known.environment if known else ""))


def _document(pulled: Pulled) -> dict[str, Any]:
    change = pulled.change
    return {
        "environment": change.environment,
        "generation": change.generation,
        "digest": change.digest,
        "directory": pulled.directory,
        "written": pulled.written,
        "sources_absent": pulled.absent,
        "packages": pulled.realised.packages if pulled.realised else None,
        "packages_made": pulled.realised.made if pulled.realised else None,
        "bytes_downloaded": pulled.realised.bytes_downloaded if pulled.realised else 0,
    }


def _text(pulled: Pulled) -> str:
    change = pulled.change
    files = ", ".join(pulled.written) or "nothing new"
    packages = f"; {count(pulled.realised.packages, 'package')} ready" if pulled.realised else ""
    return f"pulled {change.environment}:{change.generation}: {files}{packages}"
