"""Which files of the build context are where in the image: for what is installed from them, and as own source.

COPY and ADD name places on both sides; `Copied.on_host` turns a path of the image back into one of the context.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

__all__ = ["Copied", "copies", "ignored", "inside"]

_GLOB = frozenset("*?[")


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """One file or directory of the context, absolute, and its place in the image."""

    source: Path
    destination: str

    def on_host(self, path: str) -> Path | None:
        """Return what of the context is at `path` of the image, None if this does not cover it."""
        if path == self.destination:
            return self.source
        prefix = self.destination.rstrip("/") + "/"
        if not path.startswith(prefix):
            return None
        found = self.source / path.removeprefix(prefix)
        return found if found.exists() else None


def copies(context: Path, sources: Sequence[str], destination: str, directory: str) -> list[Copied]:
    """Return what one COPY copies; `directory` is where relative paths of the image start.

    What does not exist, or lies outside of the context, is not in it.
    """
    found = [path for source in sources for path in _matching(context, source)]
    whole = inside(destination, directory)
    is_directory = destination.endswith(("/", ".")) or len(found) > 1 or whole == directory
    return [
        Copied(source=path, destination=posixpath.join(whole, path.name) if is_directory and path.is_file() else whole)
        for path in found
    ]


def inside(path: str, directory: str) -> str:
    """Return a path of the image, normalised and absolute."""
    return posixpath.normpath("/" + posixpath.join(directory, path)).replace("//", "/")


def ignored(context: Path) -> Iterator[str]:
    """Yield the patterns of `.dockerignore`, which begin at the context, as those of `.gitignore`."""
    try:
        lines = (context / ".dockerignore").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in map(str.strip, lines):
        pattern = line.removeprefix("!").removeprefix("./").strip("/")
        if pattern and not line.startswith("#") and pattern != ".":
            anchored = pattern if pattern.startswith("**/") else f"/{pattern}"
            yield f"!{anchored}" if line.startswith("!") else anchored


def _matching(context: Path, source: str) -> list[Path]:
    """Return what a source names, as long as it is in the context."""
    relative = posixpath.normpath("/" + source).lstrip("/")
    if "\0" in relative:
        return []
    try:
        found = sorted(context.glob(relative)) if _GLOB & set(relative) else [context / relative]
        root = context.resolve()
        return [path for path in found if path.exists() and path.resolve().is_relative_to(root)]
    except (OSError, ValueError, NotImplementedError, RuntimeError):
        return []
