from __future__ import annotations

import os
from pathlib import Path

from breakbulk.store.base.additions import Addition, Additions
from breakbulk.store.base.writing import Ownership, changes, listing, write_tree


def test_a_tree_has_content_modes_and_times(tmp_path: Path, facts) -> None:
    additions = Additions(facts())
    additions.file("etc/a", "text", mode=0o640)
    additions.link("etc/b", "a")
    additions.directory("tmp", 0o1777)
    source = tmp_path / "source"
    source.write_text("copied")
    additions.add("usr/bin/c", Addition(kind="file", mode=0o4755, content=source))
    root = tmp_path / "root"
    root.mkdir()
    write_tree(root, additions, Ownership(None))
    found = listing(root)
    modes = {path: oct(entry.mode) for path, entry in found.items() if entry.kind != "directory"}
    assert modes == {"etc/a": "0o640", "etc/b": "0o777", "usr/bin/c": "0o4755"}
    assert found["tmp"].mode == 0o1777
    assert {os.lstat(root / path).st_mtime_ns for path in ["", *found]} == {0}


def test_changes_of_programs_replace_and_passing_places_are_left_out(tmp_path: Path, facts) -> None:
    upper, root = tmp_path / "upper", tmp_path / "root"
    for path in ("etc/ld.so.cache", "var/cache/ldconfig/aux-cache", "tmp/x", "var/log/y"):
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text(path)
    (root / "etc").mkdir(parents=True)
    (root / "etc/ld.so.cache").write_text("old")
    made = Additions(facts())
    for path, addition in changes(upper):
        made.add(path, addition)
    write_tree(root, made, Ownership(None), moving=upper)
    assert (root / "etc/ld.so.cache").read_text() == "etc/ld.so.cache"
    assert [path for path, entry in listing(root).items() if entry.kind == "file"] == ["etc/ld.so.cache"]
