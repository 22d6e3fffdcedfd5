"""The files of the base package in the making: paths with content, mode and owner by name.

Pure values; `writing` makes a tree of them. A later addition at a path replaces an earlier one, except that a directory
never replaces what is there. Files of packages are only replaced by whoever means to (`facts` says what they have).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from breakbulk.store.base.facts import Facts

__all__ = ["Addition", "Additions"]


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """One path. `content` is a file's bytes, or the file of a package to copy; `target` is a link's."""

    kind: Literal["file", "link", "directory"]
    mode: int = 0o755
    content: bytes | Path = b""
    target: str = ""
    user: str = "root"
    group: str = "root"


class Additions:
    """Paths relative to the root, without a leading slash, free of symbolic links."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._found: dict[str, Addition] = {}

    def __iter__(self) -> Iterator[tuple[str, Addition]]:
        """Yield every path in an order in which parents come first."""
        return iter(sorted(self._found.items()))

    def __contains__(self, path: str) -> bool:
        return path in self._found

    def get(self, path: str) -> Addition | None:
        """Return what has been added at a path."""
        return self._found.get(path)

    def add(self, path: str, addition: Addition) -> None:
        """Add a path, and the directories above it as they are in the packages, or with mode 0755."""
        self._parents(path)
        self._found[path] = addition

    def file(self, path: str, content: bytes | str, *, mode: int = 0o644) -> None:
        """Add a file of root."""
        data = content.encode() if isinstance(content, str) else content
        self.add(path, Addition(kind="file", mode=mode, content=data))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self.add(path, Addition(kind="link", mode=0o777, target=target))

    def directory(self, path: str, mode: int | None = None) -> None:
        """Add a directory of root unless something has been added there; without `mode` as in the packages."""
        if path not in self._found:
            entry = self._facts.entry(path)
            kept = entry.mode if entry and entry.kind == "directory" else 0o755
            self.add(path, Addition(kind="directory", mode=kept if mode is None else mode))

    def remove(self, path: str) -> None:
        """Take back an addition; what packages have stays."""
        self._found.pop(path, None)

    def _parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent and parent not in self._found:
            self.directory(parent)
