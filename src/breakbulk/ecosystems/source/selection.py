"""What a source consists of right now: its files, links and directories with digests.

Every `run` asks, so the answer comes from `remembered` where a file's size, times and inode are the same as before. A
file changed so recently that its next change might not show in its times ("racily clean" in Git's words) is read again:
Documentation/technical/racy-git.txt of Git. Sockets, pipes and devices are passed over, as Git does, and so are the
links `result-NAME` that a build leaves beside the manifest.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from breakbulk.ecosystems.source.ignoring import ALWAYS, GITIGNORE, Rules, read_ignore
from breakbulk.ecosystems.source.remembered import DirectoryState, FileState
from breakbulk.errors import ArchiveError, NotFoundError, ResolutionError

__all__ = ["RESULT", "Item", "Selected", "file_digest", "select", "tree_digest"]

# A file's times come from the kernel's clock tick (up to 10 ms) or, on some file systems, from whole seconds.
_TICK_NS = 20_000_000
_COARSE_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000
_FORMAT = b"breakbulk-tree-1\n"
RESULT = "result-"
"""What the names of links to what was built begin with."""


class Item(msgspec.Struct, frozen=True):
    """One path of a source; `content` is a file's SHA-256 or a link's target."""

    path: str
    kind: Literal["file", "link", "directory"]
    executable: bool = False
    content: str = ""
    size: int = 0


class Selected(msgspec.Struct, frozen=True):
    """The items of a source, sorted by path, and what to remember for the next time."""

    items: tuple[Item, ...]
    states: dict[str, DirectoryState]


def select(root: Path, rules: Rules, states: dict[str, DirectoryState]) -> Selected:
    """Return what belongs to the source in `root`; `states` is what was remembered, empty if nothing.

    Raises:
        NotFoundError: `source-missing`: there is no such directory.
        ResolutionError: `source-link-escape`: a link leaves the source; `source-unreadable`.

    """
    if not root.is_dir():
        raise NotFoundError(
            "the directory of a source does not exist",
            identifier="source-missing",
            where=str(root),
            hint="correct `path` in the manifest; it is relative to the manifest",
        )
    walk = _Walk(root, states)
    try:
        items = sorted(walk.directory("", rules), key=lambda item: item.path)
    except OSError as error:
        raise _unreadable(error, root) from error
    return Selected(tuple(items), walk.states)


def tree_digest(items: tuple[Item, ...]) -> str:
    """Return the digest of a source: of the paths, kinds, executable bits and contents, and of nothing else."""
    digest = hashlib.sha256(_FORMAT)
    digest.update(
        b"".join(
            f"{item.kind}\0{item.executable:d}\0{item.path}\0{item.content}\0".encode("utf-8", "surrogateescape")
            for item in items
        )
    )
    return digest.hexdigest()


class _Walk:
    def __init__(self, root: Path, states: dict[str, DirectoryState]) -> None:
        self._root = str(root)
        self._before = states
        self._started_ns = time.time_ns()
        self.states: dict[str, DirectoryState] = {}

    def directory(self, prefix: str, rules: Rules) -> Iterator[Item]:
        """Yield what is below the directory `prefix` ("" or ending in a slash)."""
        place = f"{self._root}/{prefix}"
        with os.scandir(place) as entries:
            found = list(entries)
        if rules.gitignore and any(entry.name == GITIGNORE and entry.is_file() for entry in found):
            rules = rules.below(prefix, read_ignore(Path(place, GITIGNORE)))
        known = self._before.get(prefix)
        if known is None or known.rules != rules.identity:
            known = DirectoryState(rules=rules.identity)
        state = self.states[prefix] = DirectoryState(rules=rules.identity)
        for entry in found:
            if entry.name not in ALWAYS:
                yield from self._entry(entry, prefix, rules, known, state)

    def _entry(
        self, entry: os.DirEntry[str], prefix: str, rules: Rules, known: DirectoryState, state: DirectoryState
    ) -> Iterator[Item]:
        is_directory = entry.is_dir(follow_symlinks=False)
        name = f"{entry.name}/" if is_directory else entry.name
        ignored = known.ignored.get(name)
        if ignored is None:
            ignored = rules.ignores(prefix + name)
        state.ignored[name] = ignored
        if ignored:
            return
        path = prefix + entry.name
        if not (entry.name.isascii() and entry.name.isprintable()):
            _check_name(path, self._root)
        if is_directory:
            yield Item(path, "directory")
            yield from self.directory(f"{path}/", rules)
        elif entry.is_symlink():
            if entry.name.startswith(RESULT) and os.readlink(entry.path).startswith("/"):  # noqa: PTH115  # as below
                return
            yield Item(path, "link", content=_inner_link(self._root, path))
        elif entry.is_file(follow_symlinks=False):
            yield self._file(entry, path, known, state)

    def _file(self, entry: os.DirEntry[str], path: str, known: DirectoryState, state: DirectoryState) -> Item:
        status = entry.stat(follow_symlinks=False)
        before = known.files.get(entry.name)
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        now = before if before and before.stamp == stamp else FileState(stamp, file_digest(entry.path))
        if not self._is_racy(status):
            state.files[entry.name] = now
        return Item(path, "file", executable=bool(status.st_mode & 0o100), content=now.digest, size=status.st_size)

    def _is_racy(self, status: os.stat_result) -> bool:
        changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
        coarse = status.st_mtime_ns % _SECOND_NS == 0 and status.st_ctime_ns % _SECOND_NS == 0
        return changed_ns >= self._started_ns - (_COARSE_NS if coarse else _TICK_NS)


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # called for thousands of files
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_name(path: str, root: str) -> None:
    """Refuse now what could not be unpacked later."""
    from breakbulk.ecosystems.extraction import OWN, member_path

    try:
        member_path(path, archive=root, rules=OWN)
    except ArchiveError as error:
        raise ResolutionError(
            "a file of a source has a name that cannot be packed",
            identifier="source-name-invalid",
            where=error.where,
            why=error.why,
            hint="rename it, or leave it out with `exclude` in the manifest",
        ) from error


def _inner_link(root: str, path: str) -> str:
    target = os.readlink(f"{root}/{path}")  # noqa: PTH115  # as above
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if target.startswith("/") or resolved == ".." or resolved.startswith("../"):
        raise ResolutionError(
            "a symbolic link leaves the source",
            identifier="source-link-escape",
            where=f"{root}/{path}",
            why=f"it points to {target}, which an environment does not have",
            hint=f'replace it by what it points to, or leave it out: exclude = ["/{path}"]',
        )
    return target


def _unreadable(error: OSError, root: Path) -> ResolutionError:
    return ResolutionError(
        "a source cannot be read",
        identifier="source-unreadable",
        where=str(error.filename or root),
        why=error.strerror,
        hint="make it readable, or leave it out with `exclude` in the manifest",
    )
