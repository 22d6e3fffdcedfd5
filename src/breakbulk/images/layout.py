"""An image as an OCI image layout: a directory, which may hold several images, or a tar archive of one.

In a directory, blobs that are there stay, so a second environment adds what is new; the index, which makes an image of
them, is replaced last and whole. Source: the OCI image specification 1.1, `image-layout.md`.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.errors import UsageError
from breakbulk.images.archiving import Layer
from breakbulk.images.configuration import MANIFEST_TYPE, Document, image_index
from breakbulk.lock.replacing import half_made, replace_file

__all__ = ["NAME", "Image", "write_archive", "write_directory", "write_layout"]

NAME = "org.opencontainers.image.ref.name"
"""Annotation of an image in an index: what it is called."""

_MARK = b'{"imageLayoutVersion":"1.0.0"}'


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A whole image: its layers, the lowest first, its configuration and manifest, and what it is called."""

    layers: Sequence[Layer]
    configuration: Document
    manifest: Document
    reference: str


def write_directory(image: Image, directory: Path) -> int:
    """Write an image to a directory that is absent, empty, or an image layout; return the bytes that were new.

    Raises:
        UsageError: `not-an-image-layout`, the directory holds something else.
        OSError: It cannot be written.

    """
    _check(directory)
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / "oci-layout", _MARK, 0o644)  # first: by it the next attempt knows what this one began
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    new = sum(_place(layer, blobs / layer.digest) for layer in image.layers)
    for document in (image.configuration, image.manifest):
        if not (blobs / document.digest).exists():
            replace_file(blobs / document.digest, document.data, 0o644)
            new += len(document.data)
    replace_file(directory / "index.json", _index(image, _others(image, directory)), 0o644)
    return new


def write_archive(image: Image, path: Path) -> int:
    """Write an image to a tar archive; return its size in bytes. Equal images give equal bytes."""
    layers = {layer.digest: layer.path for layer in image.layers}
    documents = {document.digest: document.data for document in (image.configuration, image.manifest)}
    return write_layout(path, _index(image, []), {**layers, **documents})


def write_layout(path: Path, index: bytes, blobs: Mapping[str, bytes | Path]) -> int:
    """Write an index and the blobs that it leads to, by their SHA-256, to a tar archive; return its size in bytes."""
    with half_made(path) as half, tarfile.open(half, "w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, "oci-layout", _MARK)
        _add(archive, "index.json", index)
        for digest, blob in sorted(blobs.items()):
            _add(archive, f"blobs/sha256/{digest}", blob)
    return path.stat().st_size


def _check(directory: Path) -> None:
    if directory.exists() and not (directory / "oci-layout").is_file() and any(directory.iterdir()):
        raise UsageError(
            "this directory holds something that is no image",
            identifier="not-an-image-layout",
            where=str(directory),
            hint="name an empty directory, or one that images were exported to before",
        )


def _place(layer: Layer, path: Path) -> int:
    """Put a layer among the blobs; return its size if it was not there."""
    if path.exists() and path.stat().st_size == layer.size:
        return 0
    with half_made(path) as half:
        shutil.copyfile(layer.path, half)
        half.chmod(0o644)
    return layer.size


def _index(image: Image, others: list[Any]) -> bytes:
    described = {
        "mediaType": MANIFEST_TYPE,
        "digest": f"sha256:{image.manifest.digest}",
        "size": len(image.manifest.data),
        "annotations": {NAME: image.reference},
    }
    return image_index([*others, described]).data


def _others(image: Image, directory: Path) -> list[Any]:
    """Return what the index says of images with other names."""
    try:
        found = msgspec.json.decode((directory / "index.json").read_bytes(), type=dict[str, Any])
    except (FileNotFoundError, msgspec.DecodeError):
        return []
    manifests = found.get("manifests", [])
    return [each for each in manifests if (each.get("annotations") or {}).get(NAME) != image.reference]


def _add(archive: tarfile.TarFile, name: str, data: bytes | Path) -> None:
    import io

    info = tarfile.TarInfo(name)
    info.mode = 0o644
    if isinstance(data, bytes):
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
        return
    with data.open("rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        archive.addfile(info, file)
