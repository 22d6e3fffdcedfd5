import multiprocessing
import stat
from pathlib import Path
from typing import IO

import pytest

from breakbulk.ecosystems.source.making import Archives, Made


@pytest.fixture
def archives(tmp_path: Path) -> Archives:
    return Archives(tmp_path / "store" / "archives", tmp_path / "cache")


def make(file: IO[bytes]) -> Made:
    file.write(b"content")
    return Made(file="x.tar", tree="t")


def refuse(file: IO[bytes]) -> Made:
    file.write(b"half")
    raise RuntimeError("the back end failed")


def test_an_archive_is_kept_under_its_digest_and_made_once(archives: Archives, tmp_path: Path) -> None:
    made = archives.made_once("key", make)
    assert (made.size, archives.path(made.sha256).read_bytes()) == (7, b"content")
    assert archives.made_once("key", refuse) == made
    assert stat.S_IMODE(archives.path(made.sha256).stat().st_mode) == 0o444
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


def test_an_archive_that_is_gone_is_made_again(archives: Archives) -> None:
    made = archives.made_once("key", make)
    archives.path(made.sha256).unlink()
    assert archives.made_once("key", make) == made
    assert archives.path(made.sha256).exists()


def test_a_failure_leaves_nothing(archives: Archives, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        archives.made_once("key", refuse)
    assert list((tmp_path / "store" / "archives").iterdir()) == []


def slow(counter: str) -> None:
    base = Path(counter).parent

    def counted(file: IO[bytes]) -> Made:
        with Path(counter).open("a") as made:
            made.write("x")
        return make(file)

    Archives(base / "store" / "archives", base / "cache").made_once("key", counted)


def test_processes_that_need_the_same_archive_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=slow, args=(str(tmp_path / "counter"),)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "counter").read_text() == "x"
