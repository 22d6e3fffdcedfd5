"""Compare trees of a store with what was recorded of them when they were made: every path, every byte.

    record ─► is its listing the tree that it says?     tree ─► is every path what the listing says, and is there more?

Faults are values, each with its path and how it differs; nothing is changed here. What mends is `set_aside`, by which a
damaged tree makes way for a new one, and comes back if that cannot be made. Counterpart: `library.mending`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from breakbulk.ecosystems.interface import Entry
from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.errors import StoreError
from breakbulk.reporting import SILENT, Reporter
from breakbulk.store.bundle import containing, discard
from breakbulk.store.claims import Claims
from breakbulk.store.layout import KEY_DIGITS, Layout
from breakbulk.store.milestones import passed
from breakbulk.store.records import Record, decode_record, tree_digest
from breakbulk.store.removal import remove_tree

__all__ = ["Checked", "Difference", "How", "set_aside", "verify"]

How = Literal["missing", "extra", "kind", "content", "link", "mode", "record"]
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "directory"}
_PRIVILEGES = 0o7000  # reach the disk of root's store only


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One path that is not as it was recorded, and how; of a record that cannot be used, why."""

    path: str
    how: How
    why: str = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one tree: its directory name, files and bytes read, and in what it differs."""

    directory: str
    files: int
    size: int
    differences: tuple[Difference, ...]

    @property
    def good(self) -> bool:
        """Whether it is as it was made."""
        return not self.differences


def verify(layout: Layout, names: Sequence[str], *, threads: int, reporter: Reporter = SILENT) -> tuple[Checked, ...]:
    """Compare the trees in the directories `names` with their records, in their order.

    Raises:
        OSError: A tree cannot be read.

    """
    task = reporter.begin("verifying packages", total=len(names))

    def check(name: str) -> Checked:
        checked = _check(layout, name)
        task.advance()
        return checked

    try:
        return tuple(side_by_side(check, names, threads=threads))
    finally:
        task.finish()


@contextmanager
def set_aside(layout: Layout, name: str) -> Iterator[None]:
    """Take a tree out of the way while another is made in its place; it comes back if there is none afterwards.

    It must not be mounted. Whoever is killed meanwhile leaves no tree, which the next realisation makes. Bundles that
    it is in, which have the damaged files as well, go.

    Raises:
        StoreError: `package-busy`, somebody is making or removing it.
        OSError: The store cannot be written.

    """
    aside = layout.root / "damaged" / name
    with Claims(layout.claims) as claims:
        if not claims.attempt(name[:KEY_DIGITS]):
            raise StoreError(
                "this package is being made or removed",
                identifier="package-busy",
                where=name,
                hint="run the command again when that has ended",
            )
        remove_tree(aside)  # left by whoever was killed
        aside.parent.mkdir(exist_ok=True)
        for bundle in containing(layout, name):
            discard(layout, claims, bundle)
        (layout.packages / name).rename(aside)
        passed("tree-set-aside")
    try:
        yield
    finally:
        if not (layout.packages / name).exists():
            aside.rename(layout.packages / name)
        else:
            remove_tree(aside)


def _check(layout: Layout, name: str) -> Checked:
    path = layout.records / name
    try:
        record = decode_record(path.read_bytes(), path)
    except FileNotFoundError:
        return _unrecorded(name, "there is no record")
    except StoreError as error:
        return _unrecorded(name, error.why or error.message)
    if tree_digest(record.content, record.deb) != record.tree:
        return _unrecorded(name, "its listing is not the tree that it says")
    differences = tuple(_differences(layout.packages / name, record))
    return Checked(directory=name, files=record.files, size=record.size, differences=differences)


def _unrecorded(name: str, why: str) -> Checked:
    return Checked(directory=name, files=0, size=0, differences=(Difference(path="", how="record", why=why),))


def _differences(root: Path, record: Record) -> Iterator[Difference]:
    present = dict(_walk(os.fspath(root)))
    for path in sorted(record.content.keys() | present.keys()):
        if path not in present:
            yield Difference(path=path, how="missing")
        elif path not in record.content:
            yield Difference(path=path, how="extra")
        elif (how := _difference(f"{root}/{path}", record.content[path], present[path])) is not None:
            yield Difference(path=path, how=how)


def _walk(root: str, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(f"{root}/{prefix}") as entries:
        for entry in entries:
            path = prefix + entry.name
            yield path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, f"{path}/")


def _difference(place: str, entry: Entry, status: os.stat_result) -> How | None:
    if _KINDS.get(stat.S_IFMT(status.st_mode)) != entry.kind:
        return "kind"
    if entry.kind == "link":
        return None if os.readlink(place) == entry.content else "link"  # noqa: PTH115 - tens of thousands
    if entry.kind == "file" and (status.st_size != entry.size or _digest(place) != entry.content):
        return "content"
    compared = 0o7777 if os.geteuid() == 0 else 0o7777 & ~_PRIVILEGES
    return None if status.st_mode & compared == entry.mode & compared else "mode"


def _digest(place: str) -> str:
    with open(os.open(place, _READ), "rb") as file:  # noqa: PTH123 - a descriptor
        return hashlib.file_digest(file, "sha256").hexdigest()
