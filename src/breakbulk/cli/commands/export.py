"""`breakbulk export`: an environment as an ordinary container image, for where only images run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakbulk.cli import references
from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.rendering import count, human_size

if TYPE_CHECKING:
    from breakbulk.images.exporting import Exported
    from breakbulk.images.layout import Image

__all__ = ["command"]


@declare(
    "export",
    ("breakbulk export ada/tickets --oci tickets.tar", "Write an image that `podman load -i tickets.tar` reads."),
    ("breakbulk export ada/tickets:3 --oci ./images", "Add it to a directory of images (OCI image layout)."),
    ("breakbulk export . --oci registry.example.org/team/tickets:3", "Push it to a registry."),
    environment=False,
)
@click.argument("name", metavar="OWNER/NAME[:N]|DIR", shell_complete=references.references)
@click.option(
    "--oci",
    "target",
    required=True,
    metavar="DIR|FILE.tar|HOST/NAME[:TAG]",
    help="Where the image goes; what has a dot or a port before the first slash is a registry.",
)
def command(invocation: Invocation, name: str, target: str) -> None:
    """Make an ordinary image of an environment: the same bytes, which any container engine runs.

    Each package is a layer of its own as far as there is room, so that images of environments share what the
    environments share. Command, user, ports and labels are those of `containerize.config`; variables are set and
    hooks are run as in an environment; services are not part of an image.
    """
    from breakbulk.images.exporting import imaged

    exported = _exported(invocation, name)
    if exported.manifest.services:
        invocation.note("an image has no services: start what they are as containers of their own")
    with imaged(exported, invocation.settings, invocation) as image:
        where, size = _send(invocation, image, target)
    document = _document(exported, image, where, size)
    invocation.report(document, lambda: _text(document))


def _exported(invocation: Invocation, name: str) -> Exported:
    from breakbulk.images.exporting import Exported
    from breakbulk.library import running_system
    from breakbulk.library.opening import names_remote, open_environment

    environment = open_environment(name, invocation.settings, invocation)
    realised = environment.realise()
    lock = environment.read_lock()
    assert lock is not None  # noqa: S101 - what is realised is locked
    return Exported(
        name=environment.name,
        reference=name if names_remote(name) else environment.name,
        lock=lock,
        manifest=environment.manifest,
        system=running_system(),
        lowers=realised.lowers,
        base=realised.base,
    )


def _send(invocation: Invocation, image: Image, target: str) -> tuple[str, int]:
    """Bring an image where it goes; return the place, and the bytes that were new there."""
    from breakbulk.images.layout import write_archive, write_directory
    from breakbulk.images.registry import is_repository, parse_repository, push_image
    from breakbulk.store.faults import store_fault

    path = Path(target)
    if not path.exists() and is_repository(target) and not target.endswith(".tar"):
        repository = parse_repository(target, "latest")
        return str(repository), push_image(image, repository, invocation.settings)
    try:
        written = write_archive(image, path) if path.suffix == ".tar" else write_directory(image, path)
    except OSError as error:
        raise store_fault(error, path.parent, variable="--oci") from error
    return str(path), written


def _document(exported: Exported, image: Image, where: str, size: int) -> dict[str, Any]:
    return {
        "environment": exported.name,
        "image": where,
        "digest": f"sha256:{image.manifest.digest}",
        "layers": len(image.layers),
        "size_bytes": sum(layer.size for layer in image.layers),
        "bytes_sent": size,
    }


def _text(document: dict[str, Any]) -> str:
    layers = count(document["layers"], "layer")
    size, sent = human_size(document["size_bytes"]), human_size(document["bytes_sent"])
    return f"{document['image']} {document['digest']}\n{layers}, {size}, of which {sent} new there"
