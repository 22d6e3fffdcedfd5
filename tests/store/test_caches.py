"""What can be had again goes when nobody has used it for long; what is in use stays."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from breakbulk.store.caches import CachesCleared, clear_caches

DAY_S = 86_400.0


def cached(cache: Path, name: str, *, written_days: float, read_days: float | None = None) -> Path:
    """Write a file that was last written and read so many days ago."""
    path = cache / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 100)
    now = time.time()
    read = written_days if read_days is None else read_days
    os.utime(path, (now - read * DAY_S, now - written_days * DAY_S))
    return path


def left(cache: Path) -> set[str]:
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if not path.is_dir()}


def test_what_nobody_has_used_for_long_goes(tmp_path: Path) -> None:
    cached(tmp_path, "hub/objects/ab/old", written_days=8)
    cached(tmp_path, "hub/changes/1234/ada/tool/1-1", written_days=8, read_days=1)
    cached(tmp_path, "partial/old", written_days=9)
    cached(tmp_path, "partial/new", written_days=6)
    planned = clear_caches(tmp_path, dry_run=True)
    assert len(left(tmp_path)) == 4
    assert clear_caches(tmp_path) == planned == CachesCleared(files=2, size=200)
    assert left(tmp_path) == {"hub/changes/1234/ada/tool/1-1", "partial/new"}
    assert not (tmp_path / "hub" / "objects").exists()
    assert clear_caches(tmp_path) == CachesCleared()


def test_other_caches_stay(tmp_path: Path) -> None:
    for name in ("deb/indices/a", "archives/b", "wheels/c", "hubs/d"):
        cached(tmp_path, name, written_days=99)
    assert clear_caches(tmp_path) == CachesCleared()
    assert len(left(tmp_path)) == 4


@pytest.mark.parametrize(("minutes", "stays"), [(30, True), (90, False)])
def test_a_download_at_work_stays_whatever_is_asked(tmp_path: Path, minutes: int, stays: bool) -> None:
    cached(tmp_path, "partial/going", written_days=minutes / 1440)
    cached(tmp_path, "hub/objects/ab/cd", written_days=minutes / 1440)
    clear_caches(tmp_path, older=timedelta(0))
    assert left(tmp_path) == ({"partial/going"} if stays else set())


def test_links_are_neither_followed_nor_removed(tmp_path: Path) -> None:
    outside = cached(tmp_path, "outside/file", written_days=99)
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "directory").symlink_to(outside.parent)
    (tmp_path / "hub" / "file").symlink_to(outside)
    assert clear_caches(tmp_path) == CachesCleared()
    assert outside.exists()


def test_a_machine_without_caches_has_nothing_to_clear(tmp_path: Path) -> None:
    assert clear_caches(tmp_path / "none") == CachesCleared()
