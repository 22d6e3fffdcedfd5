"""What a store must keep: the locks that are in use on this machine, written down when they are realised.

    roots/projects/<digest of the path>        path of a lock that lives in a project; it counts while it is there
    roots/environments/<owner>~<name>/<digest> the lock of an environment of a hub; its time is that of its last use
    roots/pins/<name>                          a lock that is kept until it is unpinned

Every file is replaced whole. Counterpart of `collection`, which reads them; what is mounted needs no root.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from breakbulk.lock.files import encode_lock
from breakbulk.lock.model import Lock
from breakbulk.lock.replacing import replace_file
from breakbulk.store.layout import Layout

__all__ = ["remember_environment", "remember_project"]


def remember_project(layout: Layout, lock_path: Path) -> None:
    """Keep what the lock at `lock_path` needs, for as long as that file is there."""
    path = os.fsencode(lock_path.absolute())
    _write(layout.roots / "projects" / hashlib.sha256(path).hexdigest()[:32], path)


def remember_environment(layout: Layout, environment: str, digest: str, lock: Lock) -> None:
    """Keep what an environment of a hub needs; `environment` is `owner/name`, `digest` is `sha256:...`."""
    _write(
        layout.roots / "environments" / environment.replace("/", "~") / digest.removeprefix("sha256:"),
        encode_lock(lock),
    )


def _write(path: Path, data: bytes) -> None:
    """Write a root, or only renew its time when it is there already."""
    try:
        os.utime(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data, 0o644)
