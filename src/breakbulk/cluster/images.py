"""The two images that a cluster of ours brings along, so that its nodes need no registry.

Both are written as archives that a node's containerd imports: the stub (`images.minimal`), and the one that holds the
namespaces of each pod (`pause`), named as `sandbox` among containerd's pinned images.
"""

from __future__ import annotations

from pathlib import Path

from breakbulk.cluster.pause import PROGRAMS
from breakbulk.images.minimal import program_archive, stub_archive
from breakbulk.images.stub import STUB_NAMES

__all__ = ["PAUSE_NAME", "STUB_NAMES", "pause_archive", "stub_archive"]

PAUSE_NAME = "docker.io/breakbulk/pause:1"
_NOBODY = "65535:65535"


def pause_archive(path: Path, name: str = PAUSE_NAME) -> int:
    """Write the image of the pause program under this name; return the archive's size in bytes. Raises `OSError`."""
    return program_archive(path, name, PROGRAMS, file="pause", user=_NOBODY)
