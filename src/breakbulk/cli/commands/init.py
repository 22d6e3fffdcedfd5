"""`breakbulk init`: write a first manifest, empty or from what a project already says it needs."""

from __future__ import annotations

from pathlib import Path

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.errors import NotFoundError, UsageError

__all__ = ["command"]


@declare(
    "init",
    ("breakbulk init", "Write breakbulk.toml into the current directory."),
    ("breakbulk init --from requirements.txt", "Take the packages over from a requirements file."),
    ("breakbulk init --from .flox", "Take a Flox environment over."),
)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take over requirements.txt, pyproject.toml or .flox, which is in the same directory.",
)
@click.option("--suite", metavar="NAME", help="The Debian suite of the packages, and so the version of Python.")
def command(invocation: Invocation, source: Path | None, suite: str | None) -> None:
    """Write a manifest to begin with.

    The manifest, breakbulk.toml, says which packages, variables, hooks and services the environment has. Its comments
    show how to write them.
    """
    from breakbulk.cli.changing import write_text
    from breakbulk.manifest.reading import MANIFEST_NAME

    directory = _directory(invocation)
    path = directory / MANIFEST_NAME
    if path.exists():
        raise UsageError(
            "there is a manifest already",
            identifier="manifest-exists",
            where=str(path),
            hint="edit it with `breakbulk edit`, or remove it first",
        )
    write_text(path, _text(source, directory, suite))
    invocation.report({"manifest": path, "from": source}, f"wrote {path}")
    invocation.suggest("breakbulk lock" if source else "breakbulk install pypi:rich deb:jq")


def _directory(invocation: Invocation) -> Path:
    from breakbulk.environment.specification import current_directory

    directory = current_directory() / (invocation.directory or "")
    if not directory.is_dir():
        raise NotFoundError(
            f"there is no directory {directory}",
            identifier="directory-missing",
            where=str(directory),
            hint=f"mkdir -p '{directory}'",
        )
    return directory


def _text(source: Path | None, directory: Path, suite: str | None) -> str:
    """Return the manifest: new, or what `source` says in our words."""
    from breakbulk.ecosystems.resolving import DEFAULT_SYSTEMS
    from breakbulk.manifest.importing import from_flox, from_pyproject, from_requirements
    from breakbulk.manifest.importing.drafting import DEFAULT_SUITE
    from breakbulk.manifest.templates import new_manifest

    suite, systems = suite or DEFAULT_SUITE, list(DEFAULT_SYSTEMS)
    if source is None:
        return new_manifest(suite, systems)
    whole = source.absolute()
    _refuse_elsewhere(whole, directory)
    if whole.name == ".flox":
        return from_flox(whole)
    if whole.suffix == ".toml":
        return from_pyproject(whole, suite=suite, systems=systems)
    if whole.suffix in {".txt", ".in"}:
        return from_requirements(whole, suite=suite, systems=systems)
    raise UsageError(
        f"nothing can be taken over from {source}",
        identifier="import-unsupported",
        hint="name a requirements file (.txt, .in), pyproject.toml or .flox",
    )


def _refuse_elsewhere(source: Path, directory: Path) -> None:
    """Refuse a file of another directory: what it names by relative paths would not be found."""
    if source.parent.resolve() != directory.resolve():
        raise UsageError(
            f"{source.name} is not in {directory}",
            identifier="import-elsewhere",
            where=str(source),
            why="paths in it are relative to where it is",
            hint=f"breakbulk init -e '{source.parent}' --from '{source}'",
        )
