"""What an image shows of the files that are wanted: its layers one above the other, whiteouts applied.

Source: the OCI image specification 1.1, `layer.md`. Only names, and the bytes of wanted files, are kept.
"""

from __future__ import annotations

from collections.abc import Callable

from breakbulk.ecosystems.extraction import DEBIAN, scan_members
from breakbulk.importing.image.archive import ImageArchive

__all__ = ["Files", "read_layers"]

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_FILE_LIMIT_BYTES = 64 << 20

Files = dict[str, bytes | None]
"""By path the bytes of a wanted file, None for what is only counted."""


def read_layers(image: ImageArchive, wanted: Callable[[str], bool], counted: Callable[[str], bool]) -> Files:
    """Return the files that are wanted or counted; raises `ArchiveError` for a layer that is damaged or a bomb."""
    shown: Files = {}
    for name in image.layers:
        added, gone, emptied = _layer(image, name, wanted, counted)
        for path in [path for path in shown if _is_gone(path, gone, emptied)]:
            del shown[path]
        shown.update(added)
    return shown


def _layer(
    image: ImageArchive, name: str, wanted: Callable[[str], bool], counted: Callable[[str], bool]
) -> tuple[Files, set[str], set[str]]:
    """Return what one layer adds, the paths it removes, and the directories that it empties."""
    added: Files = {}
    gone: set[str] = set()
    emptied: set[str] = set()
    with image.open(name) as (file, size):
        found = scan_members(
            file, archive=name, packed_bytes=size, wanted=wanted, limit_bytes=_FILE_LIMIT_BYTES, rules=DEBIAN
        )
        for path, data in found:
            directory, _, called = path.rstrip("/").rpartition("/")
            if called == _OPAQUE:
                emptied.add(directory)
            elif called.startswith(_WHITEOUT):
                gone.add(f"{directory}/{called.removeprefix(_WHITEOUT)}".lstrip("/"))
            elif data is not None or counted(path):
                added[path] = data
    return added, gone, emptied


def _is_gone(path: str, gone: set[str], emptied: set[str]) -> bool:
    parts = path.split("/")
    above = {"/".join(parts[:length]) for length in range(len(parts))}
    return path in gone or not above.isdisjoint(gone) or not above.isdisjoint(emptied)
