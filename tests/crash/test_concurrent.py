"""Two hundred realisations of overlapping environments at once: each tree is made once, and everyone gets theirs."""

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs
from prepared_source import DirectorySource
from servers import serving
from tar_ecosystem import TarEcosystem, make_package, settings_for

from breakbulk.store.layout import Layout, directory_name, plain_name
from breakbulk.store.realise import realise
from breakbulk.store.records import read_record

PROCESSES, THREADS, PACKAGES = 8, 25, 40


def environments(packages, process: int, url: str, directory: Path, source: DirectorySource | None = None) -> None:
    """Realise `THREADS` random choices at once, every other one from prepared packages; raise the first error."""
    settings = settings_for(directory, jobs=1, downloads=2)

    def one(thread: int) -> None:
        chance = random.Random(process * THREADS + thread)  # noqa: S311 - the same in every run
        chosen = chance.sample(packages, 8)
        realised = realise(
            chosen,
            None,
            manifest_installs={},
            ecosystems={"archive": TarEcosystem(url)},
            settings=settings,
            prepared=source if thread % 2 else None,
        )
        assert all((lower / "opt").is_dir() for lower in realised.lowers)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(THREADS)))


def all_at_once(packages, url: str, directory: Path, source: DirectorySource | None = None) -> None:
    """Fork `PROCESSES` processes that do it, and see that each ends well."""
    children = []
    for process in range(PROCESSES):
        child = os.fork()
        if child == 0:
            signal.alarm(120)
            try:
                environments(packages, process, url, directory, source)
            except BaseException:  # noqa: BLE001
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * PROCESSES


@pytest.mark.integration
def test_two_hundred_at_once(tmp_path):
    packages = [make_package(tmp_path, f"p{n}", {f"opt/{n}": os.urandom(50_000)}) for n in range(PACKAGES)]
    with serving(lambda h: h.reply((tmp_path / h.path[1:]).read_bytes())) as server:
        all_at_once(packages, server.url, tmp_path)
        asked = [path for path, _ in server.asked]
    layout = Layout(tmp_path / "store")
    made = os.listdir(layout.packages)
    assert len(asked) == len(set(asked)) == len(made), "each archive was fetched once"
    assert os.listdir(layout.staging) == []
    assert sorted(os.listdir(layout.records)) == sorted(made)


@pytest.mark.integration
def test_two_hundred_at_once_half_of_them_from_prepared_packages(tmp_path):
    packages = [make_package(tmp_path, f"p{n}", {f"opt/{n}": os.urandom(50_000)}) for n in range(PACKAGES)]
    pusher = settings_for(tmp_path / "pusher")
    realise(packages, None, manifest_installs={}, ecosystems={"archive": TarEcosystem(tmp_path)}, settings=pusher)
    pushed = Layout(pusher.store)
    source = DirectorySource(tmp_path / "objects").add(pushed, packages)
    with serving(lambda h: h.reply((tmp_path / h.path[1:]).read_bytes())) as server:
        all_at_once(packages, server.url, tmp_path, source)
        asked = [path for path, _ in server.asked]
    layout = Layout(tmp_path / "store")
    assert 0 < len(asked) == len(set(asked)), "no archive was fetched twice"
    believed = [structs.replace(package, vouched=source.offer(package).tree) for package in packages]
    there = os.listdir(layout.packages)
    assert set(there) <= {directory_name(package) for package in (*packages, *believed)}
    assert set(map(plain_name, there)) == set(map(directory_name, packages))
    assert sorted(os.listdir(layout.records)) == sorted(there)
    for pair in zip(packages, believed, strict=True):
        for tree in pair:
            assert directory_name(tree) not in there or read_record(layout, tree) == read_record(pushed, pair[0])
    assert os.listdir(layout.staging) == []
