"""The image of the daemon set, exported from this checkout as the page on nodes says, and one that differs from it.

An export takes a minute, so it is kept outside the tree until the sources of this checkout, or a package, are others.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[3]
_COMMAND = str(Path(sys.executable).with_name("breakbulk"))
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src")
_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def node_image(cache: Path, directory: Path) -> Path:
    """Return the archive of the image; in `directory` there is room to make it."""
    kept = cache / "node-image"
    kept.mkdir(parents=True, exist_ok=True)
    project = _project(directory / "img")
    variables = {"BREAKBULK_STORE": str(kept / "store"), "BREAKBULK_CACHE": str(cache)}
    _breakbulk(project, variables, "lock")
    lock = hashlib.sha256((project / "breakbulk.lock").read_bytes()).hexdigest()[:16]
    archive = kept / f"{lock}.tar"
    if not archive.exists():
        _breakbulk(project, variables, "realise")
        _breakbulk(project, variables, "export", ".", "--oci", str(directory / "made.tar"))
        for former in kept.glob("*.tar"):
            former.unlink()
        shutil.move(directory / "made.tar", kept / f".{lock}.part")
        (kept / f".{lock}.part").rename(archive)
    return archive


def with_version(image: Path, made: Path, version: str) -> None:
    """Write an image that is `image` with another version of Breakbulk in it, by one more layer."""
    with tarfile.open(image) as before, tarfile.open(made, "w") as after:
        index = _document(before, "index.json")
        manifest = _document(before, _blob(index["manifests"][0]["digest"]))
        config = _document(before, _blob(manifest["config"]["digest"]))
        plain = _metadata(before, manifest["layers"], version)
        layer = gzip.compress(plain, mtime=0)
        config["rootfs"]["diff_ids"].append(_digest(plain))
        config.pop("history", None)
        manifest["layers"].append({"mediaType": _GZIP, "digest": _digest(layer), "size": len(layer)})
        manifest["config"] |= _described(config)
        index["manifests"][0] |= _described(manifest)
        index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = version
        for member in before.getmembers():
            if member.name.startswith("blobs/sha256/") and member.isfile():
                after.addfile(member, before.extractfile(member))
        blobs = [_encoded(config), _encoded(manifest), layer]
        files = {**{_blob(_digest(blob)): blob for blob in blobs}, "index.json": _encoded(index)}
        for name, data in {**files, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}.items():
            after.addfile(_entry(name, data), io.BytesIO(data))


def _project(directory: Path) -> Path:
    """Return a copy of the example whose sources nobody changes meanwhile."""
    sources = directory.with_name("sources")
    sources.mkdir()
    for name in _SOURCES:
        origin = _ROOT / name
        copy = shutil.copytree if origin.is_dir() else shutil.copy
        copy(origin, sources / name, **({"ignore": shutil.ignore_patterns("__pycache__")} if origin.is_dir() else {}))
    directory.mkdir()
    text = (_ROOT / "examples" / "node-image" / "breakbulk.toml").read_text()
    (directory / "breakbulk.toml").write_text(text.replace('"../.."', '"../sources"'))
    return directory


def _breakbulk(project: Path, variables: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [_COMMAND, *arguments],
        cwd=project,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _metadata(image: tarfile.TarFile, layers: list[dict[str, Any]], version: str) -> bytes:
    """Return a layer with what says which version of Breakbulk is in an image."""
    for layer in reversed(layers):
        file = image.extractfile(_blob(layer["digest"]))
        assert file is not None
        with tarfile.open(fileobj=io.BytesIO(file.read())) as content:
            for member in content.getmembers():
                path = Path(member.name)
                if path.name == "METADATA" and path.parent.name.startswith("breakbulk-"):
                    data = f"Metadata-Version: 2.1\nName: breakbulk\nVersion: {version}\n".encode()
                    made = io.BytesIO()
                    with tarfile.open(fileobj=made, mode="w") as archive:
                        archive.addfile(_entry(member.name, data), io.BytesIO(data))
                    return made.getvalue()
    raise AssertionError("the image is without Breakbulk")


def _entry(name: str, data: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    return entry


def _document(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = archive.extractfile(name)
    assert file is not None
    found: dict[str, Any] = json.load(file)
    return found


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _described(document: dict[str, Any]) -> dict[str, Any]:
    data = _encoded(document)
    return {"digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
