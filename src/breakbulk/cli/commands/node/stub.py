"""`breakbulk node stub`: the image that pods name when their content comes from an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.node_places import need_root, place_of, place_options

__all__ = ["command"]


@declare(
    "stub",
    ("sudo breakbulk node stub", "Have the stub image on this node."),
    ("breakbulk node stub --output stub.tar", "Write it as an OCI archive, for a registry or another node."),
    environment=False,
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there.")
@place_options
def command(invocation: Invocation, *, output: Path | None, **given: Any) -> None:
    """Bring the stub image to this node, so that no registry is needed.

    It is empty: pods name it as their image, docker.io/breakbulk/empty:1, and have everything from their environment.
    """
    from breakbulk.images.minimal import stub_archive
    from breakbulk.images.stub import STUB_NAMES

    if output is not None:
        try:
            size = stub_archive(output)
        except OSError as error:
            raise click.FileError(str(output), error.strerror) from error
        document = {"path": output, "size_bytes": size, "names": STUB_NAMES}
        invocation.report(document, f"{output}: {' and '.join(STUB_NAMES)}")
        return
    place = place_of(invocation, given)
    need_root()
    from breakbulk.node.installing.stub_image import import_stub

    imported = import_stub(place)
    lines = [f"{name} is {'here now' if name in imported else 'here'}" for name in STUB_NAMES]
    invocation.report({"names": STUB_NAMES, "imported": imported}, "\n".join(lines))
