"""What an image says of itself: OCI image configuration and manifest, from the environment alone. Pure.

Nothing in it tells who made the image, where or when, so equal environments give equal images. Source: the OCI image
specification 1.1, `config.md`, `manifest.md` and `annotations.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from breakbulk.images.archiving import Layer
from breakbulk.lock.model import Package
from breakbulk.manifest.schema import ContainerizeConfig, Manifest

__all__ = [
    "CONFIG_TYPE",
    "EPOCH",
    "INDEX_TYPE",
    "MANIFEST_TYPE",
    "SYSTEM_PATH",
    "Document",
    "configuration",
    "image_index",
    "image_manifest",
    "own_variables",
]

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_ARCHITECTURES = {"x86_64-linux": ("amd64", None), "aarch64-linux": ("arm64", "v8")}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EPOCH = "1970-01-01T00:00:00Z"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON document of an image: its bytes, and the SHA-256 of them."""

    data: bytes

    @property
    def digest(self) -> str:
        """64 hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()


def own_variables(name: str, manifest: Manifest, own_trees: Sequence[str]) -> dict[str, str]:
    """Return what every environment sets (`environment.activation`), as far as it makes sense in an image.

    `own_trees` are the names below /opt that have a `bin`.
    """
    config = manifest.containerize.config or ContainerizeConfig()
    project = config.working_dir or "/"
    return {
        "PATH": ":".join([SYSTEM_PATH, *(f"/opt/{tree}/bin" for tree in sorted(own_trees))]),
        "LANG": next(iter(manifest.options.locales or ()), "C.UTF-8"),
        "PYTHONNOUSERSITE": "1",
        "FLOX_ENV": "/",
        "FLOX_ENV_CACHE": "/var/cache",
        "FLOX_ENV_PROJECT": project,
        "FLOX_ENV_DESCRIPTION": name,
        "BREAKBULK_ENV": name,
        "BREAKBULK_ENV_CACHE": "/var/cache",
        "BREAKBULK_ENV_PROJECT": project,
    }


def configuration(
    config: ContainerizeConfig,
    system: str,
    layers: Sequence[Layer],
    variables: Mapping[str, str],
    *,
    entrypoint: str | None,
    shell: str | None,
) -> Document:
    """Return the configuration of an image.

    Args:
        config: `containerize.config` of the manifest.
        system: Such as `x86_64-linux`.
        layers: The lowest first.
        variables: That the image sets.
        entrypoint: Path of the script, None when there is none.
        shell: What runs when the manifest has no command; None where the environment has no shell.

    """
    command = config.cmd if config.cmd is not None else (shell,) if shell else ()
    architecture, variant = _ARCHITECTURES[system]
    said: dict[str, Any] = {
        "User": config.user,
        "ExposedPorts": {port: {} for port in sorted(config.exposed_ports or ())},
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Entrypoint": [entrypoint] if entrypoint else None,
        "Cmd": list(command),
        "Volumes": {volume: {} for volume in sorted(config.volumes or ())},
        "WorkingDir": config.working_dir,
        "Labels": dict(sorted((config.labels or {}).items())),
        "StopSignal": config.stop_signal,
    }
    document = {
        "created": EPOCH,
        "architecture": architecture,
        **({"variant": variant} if variant else {}),
        "os": "linux",
        "config": {name: value for name, value in said.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.plain_digest}" for layer in layers]},
        "history": [{"created": EPOCH, "created_by": "breakbulk", "comment": layer.title[:500]} for layer in layers],
    }
    return Document(data=msgspec.json.encode(document))


def image_manifest(
    said: Document, layers: Sequence[Layer], *, name: str, digest: str, packages: Sequence[Package]
) -> Document:
    """Return the manifest of an image of the environment `name` with `digest` (`sha256:...`)."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": f"sha256:{said.digest}", "size": len(said.data)},
        "layers": [
            {"mediaType": _LAYER_TYPE, "digest": f"sha256:{layer.digest}", "size": layer.size} for layer in layers
        ],
        "annotations": {
            "org.opencontainers.image.title": name,
            "dev.breakbulk.environment.digest": digest,
            "dev.breakbulk.packages": "\n".join(sorted({package.purl for package in packages})),
        },
    }
    return Document(data=msgspec.json.encode(document))


def image_index(manifests: Sequence[Mapping[str, Any]]) -> Document:
    """Return an index of manifests, or of indices, each described as `image-index.md` has it."""
    return Document(
        data=msgspec.json.encode({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(manifests)})
    )
