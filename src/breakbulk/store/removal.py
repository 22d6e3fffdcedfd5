"""Remove trees, whatever modes their directories have."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["remove_tree"]

_TRIES = 5


def remove_tree(path: Path) -> None:
    """Remove a directory and all below it; nothing happens when it is absent.

    Directories that their owner may not write are opened first. A worker of a realisation that was killed may write
    for some microseconds yet, so a directory that fills again is tried again.
    """
    for attempt in range(_TRIES):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return
        except OSError:
            if attempt == _TRIES - 1:
                raise
            _open_directories(path)
        else:
            return


def _open_directories(path: Path) -> None:
    path.chmod(0o700)
    for directory, names, _ in os.walk(path):
        for name in names:
            inner = Path(directory, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
