"""The archive of an image: what `docker save` and `podman save` write, and OCI image layouts in a tar file.

Members are read where they are; nothing is unpacked. Sources: the OCI image specification 1.1 (`image-layout.md`,
`config.md`), the Docker image specification 1.2 (`manifest.json`).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import msgspec

from breakbulk.ecosystems.extraction import refusal
from breakbulk.errors import ArchiveError, ManifestError

__all__ = ["Configuration", "ImageArchive", "Settings"]

_T = TypeVar("_T")

_DOCUMENT_LIMIT_BYTES = 4 << 20
_MEMBERS_MAX = 20_000
_NESTED_MAX = 4


class _Pascal(msgspec.Struct, frozen=True, rename="pascal"):
    """A table of the configuration; keys that are not known are passed over."""


class HealthCheck(_Pascal, frozen=True, kw_only=True):
    """`Healthcheck`; durations in nanoseconds."""

    test: list[str] | None = None
    interval: int | None = None
    start_period: int | None = None
    retries: int | None = None


class Settings(_Pascal, frozen=True, kw_only=True):
    """`config` of an image's configuration."""

    user: str | None = None
    env: list[str] | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    working_dir: str | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None
    healthcheck: HealthCheck | None = None


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of an image, as far as it says how it is run."""

    architecture: str = ""
    os: str = "linux"
    config: Settings | None = None


class _Saved(_Pascal, frozen=True, kw_only=True):
    config: str
    layers: list[str]


class _Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    digest: str
    media_type: str = ""
    platform: dict[str, Any] | None = None


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    manifests: list[_Descriptor]


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    config: _Descriptor
    layers: list[_Descriptor]


class ImageArchive:
    """An open archive; `others` counts the images in it besides the one that is read.

    Raises `NotFoundError` or `ManifestError` (`import-unreadable`, `import-no-image`), and `ArchiveError` for what is
    damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.others = 0
        with self._faults():
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed by __exit__
        try:
            self._names = self._listed()
            self.configuration, self.layers = self._image()
        except BaseException:
            self._tar.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        self._tar.close()

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """Open a member; give its bytes and their number."""
        with self._faults():
            member = self._names.get(name)
            file = self._tar.extractfile(member) if member is not None else None
        if member is None or file is None:
            raise self._missing(name)
        with file:
            size = file.seek(0, 2)
            file.seek(0)
            yield file, size

    def _listed(self) -> dict[str, tarfile.TarInfo]:
        names: dict[str, tarfile.TarInfo] = {}
        with self._faults():
            for member in self._tar:
                names[member.name.removeprefix("./")] = member
                if len(names) > _MEMBERS_MAX:
                    raise refusal("it has too many members", identifier="archive-bomb", archive=str(self._path))
        return names

    def _image(self) -> tuple[Configuration, list[str]]:
        if "manifest.json" in self._names:
            saved = self._document("manifest.json", list[_Saved])
            self.others = len(saved) - 1
            if saved:
                return self._document(saved[0].config, Configuration), saved[0].layers
        if "index.json" in self._names:
            manifest = self._manifest("index.json")
            config = self._document(_blob(manifest.config), Configuration)
            return config, [_blob(layer) for layer in manifest.layers]
        raise self._no_image("it has neither manifest.json nor index.json")

    def _manifest(self, name: str, depth: int = 0) -> _Manifest:
        """Return the manifest that an index leads to: the first for a real platform."""
        described = self._document(name, _Index).manifests
        real = [each for each in described if (each.platform or {}).get("os") != "unknown"]
        self.others += max(len(real) - 1, 0)
        if not real or depth == _NESTED_MAX:
            raise self._no_image("its index names no image")
        if real[0].media_type.endswith(("index.v1+json", "manifest.list.v2+json")):
            return self._manifest(_blob(real[0]), depth + 1)
        return self._document(_blob(real[0]), _Manifest)

    def _document(self, name: str, kind: type[_T]) -> _T:
        with self.open(name) as (file, size):
            if size > _DOCUMENT_LIMIT_BYTES:
                raise refusal(
                    "a document is too large", identifier="archive-bomb", archive=str(self._path), member=name
                )
            try:
                return msgspec.json.decode(file.read(), type=kind)
            except msgspec.DecodeError as error:
                raise self._no_image(f"{name} cannot be read: {error}") from error

    def _missing(self, name: str) -> ArchiveError:
        return refusal("the image is not whole", identifier="archive-truncated", archive=str(self._path), member=name)

    def _no_image(self, why: str) -> ManifestError:
        return ManifestError(
            f"{self._path.name} is no image",
            identifier="import-no-image",
            where=str(self._path),
            why=why,
            hint="write one with `docker save IMAGE -o FILE.tar` or `podman save`; decompress it first",
        )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (tarfile.TarError, KeyError, ValueError, RecursionError, EOFError) as error:
            raise self._no_image(str(error)) from error
        except OSError as error:
            raise ManifestError(
                f"{self._path.name} cannot be read",
                identifier="import-unreadable",
                where=str(self._path),
                why=error.strerror,
            ) from error


def _blob(descriptor: _Descriptor) -> str:
    algorithm, _, digest = descriptor.digest.partition(":")
    return f"blobs/{algorithm}/{digest}"
