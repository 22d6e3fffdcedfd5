"""What is known of an environment's packages, seen as the one file system that the overlay will make of them.

Read-only. Paths inside are relative and without a leading slash, as in `Content`; `at` turns a script's path into one,
following the merged-/usr links and those that packages bring.
"""

from __future__ import annotations

import posixpath
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from breakbulk.ecosystems.interface import Content, DebFacts, Entry
from breakbulk.store.base.shell_expansion import pattern_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["TOP_LINKS", "Facts", "Member"]

TOP_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "lib32": "usr/lib32"}
"""Links of a merged-/usr system (Debian policy, 9.1.1, and usrmerge)."""

_LINKS = {**TOP_LINKS, "var/run": "run", "var/lock": "run/lock"}
_LINKS_LIMIT = 40  # as the kernel's


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One package: its record and where its tree is."""

    name: str
    version: str
    tree: Path
    content: Content
    deb: DebFacts | None = None


class Facts:
    """The packages in overlay order, the first on top."""

    def __init__(self, members: Sequence[Member], architecture: str) -> None:
        self.members = tuple(members)
        self.architecture = architecture

    @cached_property
    def owners(self) -> dict[str, Member]:
        """The package whose file is seen, by path."""
        found: dict[str, Member] = {}
        for member in reversed(self.members):
            found.update(dict.fromkeys(member.content, member))
        return found

    @cached_property
    def debs(self) -> tuple[tuple[Member, DebFacts], ...]:
        """The Debian packages, by name: a stable order for whatever is made of several."""
        return tuple(sorted(((m, m.deb) for m in self.members if m.deb), key=lambda pair: pair[0].name))

    def entry(self, path: str) -> Entry | None:
        """Return what is seen at a relative path, None when no package has it."""
        member = self.owners.get(path)
        return member.content[path] if member else None

    def at(self, path: str, *, follow: bool = True) -> str:
        """Return the relative path, free of symbolic links, that a path of a script means."""
        pending = [part for part in path.split("/") if part not in ("", ".")][::-1]
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join((*done, part))
            target = self._target(here) if pending or follow else None
            if target is None or links >= _LINKS_LIMIT:
                done.append(part)
                continue
            links += 1
            done = [] if target.startswith("/") else done
            pending.extend(step for step in target.split("/")[::-1] if step not in ("", "."))
        return "/".join(done)

    def _target(self, path: str) -> str | None:
        if path in _LINKS:
            return f"/{_LINKS[path]}"
        entry = self.entry(path)
        return entry.content if entry and entry.kind == "link" else None

    def kind(self, path: str, *, follow: bool = True) -> Literal["file", "link", "directory"] | None:
        """Return what packages have at a script's path."""
        if not follow and path.strip("/") in _LINKS:
            return "link"
        entry = self.entry(self.at(path, follow=follow))
        return entry.kind if entry else None

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, None when no package has a file at this path."""
        found = self.at(path)
        entry, member = self.entry(found), self.owners.get(found)
        return (member.tree / found).read_bytes() if member and entry and entry.kind == "file" else None

    def text(self, path: str) -> str | None:
        """Return a file's text, undecodable bytes replaced."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "replace")

    def below(self, directory: str, suffix: str = "") -> list[str]:
        """Return the sorted relative paths of files and links below a directory whose names end in `suffix`."""
        return sorted(path for path in self._under(f"{directory}/") if path.endswith(suffix) and self._is_file(path))

    def within(self, directory: str) -> list[str]:
        """Return the sorted relative paths of everything below a directory."""
        return sorted(self._under(f"{directory}/"))

    def matches(self, pattern: str) -> list[str]:
        """Return the absolute paths that match a pattern whose `*` does not cross directories, sorted."""
        head = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        base = self.at(posixpath.dirname(head) or "/")
        rest = pattern[len(posixpath.dirname(head)) :].strip("/")
        matching = pattern_of(f"{base}/{rest}".lstrip("/")).fullmatch
        depth = f"{base}/{rest}".lstrip("/").count("/")
        prefix = posixpath.dirname(head).rstrip("/")
        found = (path for path in self._under(f"{base}/" if base else "") if path.count("/") == depth)
        return sorted(f"{prefix}/{path[len(base) :].lstrip('/')}" for path in found if matching(path))

    def _under(self, prefix: str) -> Iterator[str]:
        return (path for path in self.owners if path.startswith(prefix))

    def _is_file(self, path: str) -> bool:
        return self.owners[path].content[path].kind != "directory"
