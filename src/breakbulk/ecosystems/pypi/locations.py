"""Where wheels have been seen, by digest: what the lock leaves out, kept in the cache.

The lock names files and digests, so that it works with any mirror. The addresses that resolving learned are
remembered here, without credentials; whoever has another cache asks its own indexes. Losing this costs a request,
nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from breakbulk.lock.replacing import half_made
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.ecosystems.pypi.pylock import Chosen

__all__ = ["archive_path", "recall", "remember"]


def remember(chosen: Iterable[Chosen], settings: Settings) -> None:
    """Keep the addresses of the chosen wheels, the newest before those known already."""
    for each in chosen:
        known = recall(each.sha256, settings)
        addresses = list(dict.fromkeys((*each.addresses, *known)))
        if addresses != known:
            _write(_path(each.sha256, settings), msgspec.json.encode(addresses))


def recall(sha256: str, settings: Settings) -> list[str]:
    """Return the addresses at which a wheel has been seen, best first."""
    try:
        return msgspec.json.decode(_path(sha256, settings).read_bytes(), type=list[str])
    except (OSError, msgspec.DecodeError):  # never seen, or half written: the indexes are asked
        return []


def archive_path(sha256: str, settings: Settings) -> Path:
    """Return where a wheel is kept that had to be fetched whole."""
    return settings.cache / "archives" / sha256


def _path(sha256: str, settings: Settings) -> Path:
    return settings.cache / "locations" / sha256[:2] / sha256


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with half_made(path) as temporary:
        temporary.write_bytes(data)
