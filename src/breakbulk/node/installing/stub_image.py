"""The stub image on a node: what pods name as their image is there without a registry, and stays.

containerd's own client puts it into the namespace of Kubernetes. The images are marked as pinned, since kubelet removes
images that no container uses when the disk gets full, and the stub could not be had again. Counterparts:
`images.minimal`, which makes it; `installation`.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from breakbulk.errors import PlatformError
from breakbulk.images.minimal import stub_archive
from breakbulk.images.stub import STUB_NAMES
from breakbulk.node.place import NodePlace

__all__ = ["import_stub", "missing_stubs", "remove_stub"]

_PINNED = "io.cri-containerd.pinned=pinned"
"""Label that containerd's CRI shows to kubelet as `pinned`; containerd, `internal/cri/labels`."""

_TIMEOUT_S = 60.0


def missing_stubs(place: NodePlace) -> list[str]:
    """Return the names of the stub that are not on the node, pinned; raise as `import_stub`."""
    filters = [f'name=={name},labels."io.cri-containerd.pinned"==pinned' for name in STUB_NAMES]
    there = set(_ctr(place, "images", "ls", "--quiet", *filters).split())
    return [name for name in STUB_NAMES if name not in there]


def import_stub(place: NodePlace) -> list[str]:
    """Bring the stub to the node under all its names; return those that were not there.

    Raises:
        PlatformError: `stub-not-imported`: containerd does not answer, or has no `ctr` beside it.

    """
    missing = missing_stubs(place)
    if missing:
        with tempfile.TemporaryDirectory(prefix="breakbulk-") as directory:
            archive = Path(directory) / "stub.tar"
            stub_archive(archive, missing)
            _ctr(place, "images", "import", "--local", str(archive))
        for name in missing:
            _ctr(place, "images", "label", name, _PINNED)
    return missing


def remove_stub(place: NodePlace) -> list[str]:
    """Remove the stub under all names that are there, pinned; return them. Raises as `import_stub`."""
    missing = missing_stubs(place)
    here = [name for name in STUB_NAMES if name not in missing]
    if here:
        _ctr(place, "images", "rm", *here)
    return here


def _ctr(place: NodePlace, *words: str) -> str:
    program = place.containerd.with_name("ctr")
    command = (str(program), "--address", str(place.containerd_socket), "--namespace", "k8s.io", *words)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_imported(place, str(error)) from error
    if done.returncode:
        raise _not_imported(place, done.stderr.strip()[-500:])
    return done.stdout


def _not_imported(place: NodePlace, why: str) -> PlatformError:
    return PlatformError(
        "the stub image cannot be brought to this node",
        identifier="stub-not-imported",
        where=str(place.containerd_socket),
        why=why,
        hint="is containerd running? `breakbulk node stub --output FILE` writes the image for other ways",
    )
