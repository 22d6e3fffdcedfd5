"""Who uses what is on this node: pods that have a record, and mounts of trees of its store.

Read only, and without asking anybody, so that it can be told while agent, containerd and API server are away.
"""

from __future__ import annotations

import json
import os

from breakbulk.node.place import NodePlace
from breakbulk.store.mounted import mounted

__all__ = ["pods_in_use", "trees_in_use"]


def pods_in_use(place: NodePlace) -> list[str]:
    """Return `namespace/name` of the pods that run in environments, or are about to."""
    names = []
    for path in sorted((place.run / "pods").glob("*.json")):
        try:
            record = json.loads(path.read_bytes())
            names.append(f"{record['namespace']}/{record['name']}")
        except (OSError, ValueError, KeyError, TypeError):
            names.append(path.stem)
    return names


def trees_in_use(place: NodePlace) -> list[str]:
    """Return the trees of the store that somebody on this machine has mounted."""
    try:
        present = {name for kind in ("packages", "bundles") for name in _listed(place, kind)}
    except OSError:
        return []
    seen = mounted()
    return sorted(name for name in present if seen.has(name))


def _listed(place: NodePlace, kind: str) -> list[str]:
    directory = place.store / kind
    return os.listdir(directory) if directory.is_dir() else []
