"""Images of one layer that are the same for every environment, made from nothing but their description.

    stub     an empty layer: what a pod names as its image when its root comes from an environment
    others   one program, as that which holds a pod's namespaces

An archive holds one index, for both architectures, under each of its names: `ctr images import` takes all of them,
`podman pull oci-archive:FILE:NAME` one. Equal arguments give equal bytes, on any machine.
Sources: the OCI image specification 1.1, `image-layout.md` and `image-index.md`; for `io.containerd.image.name`,
containerd's `images/annotations.go`.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.images.configuration import (
    CONFIG_TYPE,
    EPOCH,
    INDEX_TYPE,
    MANIFEST_TYPE,
    SYSTEM_PATH,
    Document,
    image_index,
)
from breakbulk.images.layout import NAME, write_layout
from breakbulk.images.stub import DEFAULT_COMMAND, STUB_NAMES

__all__ = ["program_archive", "stub_archive"]

_CONTAINERD_NAME = "io.containerd.image.name"
_PLATFORMS: Mapping[str, dict[str, str]] = {
    "amd64": {"architecture": "amd64", "os": "linux"},
    "arm64": {"architecture": "arm64", "os": "linux", "variant": "v8"},
}
_EMPTY_TAR = bytes(1024)
_EMPTY_LAYER = bytes.fromhex("1f8b080000000000020363601805a360148c5400002eafb5ef00040000")
"""An empty tar archive, compressed; written down, because compressors differ."""


class _Layer(msgspec.Struct, frozen=True):
    """A layer as it is carried, how it is carried, and the SHA-256 of the plain archive."""

    data: bytes
    media_type: str
    plain_digest: str


def stub_archive(path: Path, names: Sequence[str] = STUB_NAMES) -> int:
    """Write the stub under these names; return the archive's size in bytes. Raises `OSError`."""
    layer = _Layer(_EMPTY_LAYER, "application/vnd.oci.image.layer.v1.tar+gzip", hashlib.sha256(_EMPTY_TAR).hexdigest())
    said = {"Cmd": [DEFAULT_COMMAND], "Env": [f"PATH={SYSTEM_PATH}"]}
    return _write(path, names, dict.fromkeys(_PLATFORMS, layer), said)


def program_archive(path: Path, name: str, programs: Mapping[str, bytes], *, file: str, user: str) -> int:
    """Write the image of one static program, which it runs; return the archive's size in bytes. Raises `OSError`.

    Args:
        path: Of the archive.
        name: Of the image, in full.
        programs: The executable of each architecture, `amd64` and `arm64`.
        file: What it is called, in the root directory.
        user: Who runs it, `UID:GID`.

    """
    layers = {architecture: _program_layer(file, program) for architecture, program in programs.items()}
    return _write(path, [name], layers, {"User": user, "Env": [f"PATH={SYSTEM_PATH}"], "Entrypoint": [f"/{file}"]})


def _program_layer(file: str, program: bytes) -> _Layer:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(file)
        member.mode, member.size = 0o755, len(program)
        archive.addfile(member, io.BytesIO(program))
    data = packed.getvalue()
    return _Layer(data, "application/vnd.oci.image.layer.v1.tar", hashlib.sha256(data).hexdigest())


def _write(path: Path, names: Sequence[str], layers: Mapping[str, _Layer], said: Mapping[str, Any]) -> int:
    blobs = {hashlib.sha256(layer.data).hexdigest(): layer.data for layer in layers.values()}
    manifests = []
    for architecture, layer in layers.items():
        configuration = _configuration(_PLATFORMS[architecture], layer, said)
        manifest = _manifest(configuration, layer)
        blobs |= {document.digest: document.data for document in (configuration, manifest)}
        manifests.append(_described(manifest, MANIFEST_TYPE) | {"platform": _PLATFORMS[architecture]})
    both = image_index(manifests)
    blobs[both.digest] = both.data
    named = [_described(both, INDEX_TYPE) | {"annotations": {_CONTAINERD_NAME: name, NAME: name}} for name in names]
    return write_layout(path, image_index(named).data, blobs)


def _configuration(platform: Mapping[str, str], layer: _Layer, said: Mapping[str, Any]) -> Document:
    document = {
        "created": EPOCH,
        **platform,
        "config": said,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.plain_digest}"]},
        "history": [{"created": EPOCH, "created_by": "breakbulk"}],
    }
    return Document(data=msgspec.json.encode(document))


def _manifest(configuration: Document, layer: _Layer) -> Document:
    described = {
        "mediaType": layer.media_type,
        "digest": f"sha256:{hashlib.sha256(layer.data).hexdigest()}",
        "size": len(layer.data),
    }
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _described(configuration, CONFIG_TYPE),
        "layers": [described],
    }
    return Document(data=msgspec.json.encode(document))


def _described(document: Document, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{document.digest}", "size": len(document.data)}
