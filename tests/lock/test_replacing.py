"""A file is replaced whole or not at all."""

import pytest

from breakbulk.lock.replacing import replace_file


def test_content_and_mode_are_replaced(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replace_file(path, b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "file", b"new", 0o644)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
