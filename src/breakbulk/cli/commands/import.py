"""`breakbulk import`: write a manifest that has what a Dockerfile, a conda environment or an image has."""  # noqa: N999

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import Style
from breakbulk.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from breakbulk.importing.report import Imported, Remark

__all__ = ["command"]

_HEADINGS = {
    "taken": "Taken",
    "approximated": "Taken, but not quite the same",
    "left": "Not taken: these are yours to do",
}


@declare(
    "import",
    ("breakbulk import Dockerfile", "Take over what the final stage of a Dockerfile installs, sets and starts."),
    ("breakbulk import environment.yml --into science", "Take a conda environment over into another directory."),
    ("breakbulk import image.tar --exact", "Take over every package of an image that was saved, with its version."),
    environment=False,
)
@click.argument("source", metavar="Dockerfile|environment.yml|IMAGE.tar", type=click.Path(path_type=Path))
@click.option("--into", metavar="DIR", type=click.Path(path_type=Path), help="Where the manifest goes; made if absent.")
@click.option("--name", metavar="NAME", help="What the service is called; by default after the source.")
@click.option("--exact", is_flag=True, help="Of an image, every package in its version, not only what was asked for.")
@click.option("--force", is_flag=True, help="Replace a manifest that is there.")
def command(
    invocation: Invocation, source: Path, *, into: Path | None, name: str | None, exact: bool, force: bool
) -> None:
    """Write a manifest from a Dockerfile, an environment of conda, or an image in a tar archive.

    Nothing is run or downloaded. The report says of each line whether it was taken, approximated, or left to you; what
    was left is also in the manifest, as comments. Images are those of `docker save` and of the OCI image layout.
    """
    from breakbulk.cli.changing import write_text
    from breakbulk.manifest.reading import MANIFEST_NAME

    directory = _directory(into)
    path = directory / MANIFEST_NAME
    if path.exists() and not force:
        raise UsageError(
            "there is a manifest already",
            identifier="manifest-exists",
            where=str(path),
            hint="--force replaces it; --into names another directory",
        )
    imported = _imported(source, directory, name, exact=exact)
    directory.mkdir(parents=True, exist_ok=True)
    write_text(path, imported.text)
    document = {"manifest": path, "from": source, "remarks": imported.remarks}
    invocation.report(document, lambda: _text(imported, path, invocation.style))
    invocation.suggest("breakbulk lock" if into is None else f"breakbulk lock -e {into}")


def _directory(into: Path | None) -> Path:
    from breakbulk.environment.specification import current_directory

    return current_directory() / (into or "")


def _imported(source: Path, directory: Path, name: str | None, *, exact: bool) -> Imported:
    """Return what `source` says, read as what its name shows it to be."""
    if not source.is_file():
        raise NotFoundError(f"{source} is no file", identifier="import-not-found", where=str(source.absolute()))
    called = source.name.lower()
    if source.suffix == ".tar":
        from breakbulk.importing.image import from_image

        return from_image(source.absolute(), into=directory, name=name, exact=exact)
    if exact:
        raise UsageError(f"--exact is for images, and {source} is none", hint="leave --exact out")
    if "dockerfile" in called or "containerfile" in called:
        from breakbulk.importing.dockerfile import from_dockerfile

        return from_dockerfile(source.absolute(), into=directory, name=name)
    if source.suffix in {".yml", ".yaml"}:
        from breakbulk.importing.conda import from_conda

        return from_conda(source.absolute(), into=directory)
    raise UsageError(
        f"nothing can be taken over from {source}",
        identifier="import-unsupported",
        hint="name a Dockerfile, a YAML file of conda (.yml, .yaml) or an image (.tar); others: breakbulk init --from",
    )


def _text(imported: Imported, path: Path, style: Style) -> str:
    blocks = [f"wrote {path}"]
    for fate, heading in _HEADINGS.items():
        remarks = [remark for remark in imported.remarks if remark.fate == fate]
        if remarks:
            blocks.append("\n".join([style.strong(heading), *_lines(remarks, style)]))
    return "\n\n".join(blocks)


def _lines(remarks: Iterable[Remark], style: Style) -> Iterable[str]:
    for remark in remarks:
        place = f"{remark.line:>4} " if remark.line else "     "
        yield f"{style.faint(place)} {remark.source}  {style.faint('→')} {remark.result}"
