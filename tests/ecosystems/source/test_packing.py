import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from breakbulk.ecosystems.extraction import OWN, extract
from breakbulk.ecosystems.source.ignoring import rules_of
from breakbulk.ecosystems.source.packing import copy_tree, pack
from breakbulk.ecosystems.source.selection import Item, select
from breakbulk.errors import ResolutionError

Write = Callable[[Mapping[str, str]], Path]
FILES = {"b/z": "z", "b/run": "#!/bin/sh", "a-b": "x", "a/b": "y", "ünï/" + "long" * 40: "l", "link": "->b/z"}


def items(root: Path) -> tuple[Item, ...]:
    return select(root, rules_of(root, ()), {}).items


def packed(root: Path) -> bytes:
    buffer = io.BytesIO()
    pack(root, items(root), buffer)
    return buffer.getvalue()


def test_equal_files_give_equal_bytes_whoever_has_them_and_when(write: Write, tmp_path: Path) -> None:
    root = write(FILES)
    first = packed(root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copy_tree(root, items(root), elsewhere)
    for path in elsewhere.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000), follow_symlinks=False)
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o044)
    assert packed(elsewhere) == first


def test_the_archive_holds_nothing_but_paths_modes_and_bytes(write: Write) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(write(FILES)))) as opened:
        members = opened.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in members} == {
        (0, 0, 0, "", "")
    }
    assert {member.name for member in members if member.mode & 0o111 and member.isfile()} == {"b/run"}
    assert {keyword for member in members for keyword in member.pax_headers} <= {"path"}


def test_what_is_packed_is_unpacked(write: Write, tmp_path: Path) -> None:
    archive, into = tmp_path / "archive", tmp_path / "tree"
    archive.write_bytes(packed(write(FILES)))
    into.mkdir()
    content = extract(archive, into, archive="x", rules=OWN)
    assert {path for path, entry in content.items() if entry.kind != "directory"} == set(FILES)
    assert (into / "link").read_text() == "z"


@pytest.mark.parametrize("change", ["longer", "", "Z", None])
def test_a_file_that_changes_meanwhile_is_never_packed_as_something_it_was_not(
    change: str | None, write: Write
) -> None:
    root = write(FILES)
    before = items(root)
    (root / "b/z").unlink()
    if change is not None:
        (root / "b/z").write_text(change)
    with pytest.raises(ResolutionError, match=r"source-changing.*b/z"):
        pack(root, before, io.BytesIO())
