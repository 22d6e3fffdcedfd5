"""Two hundred realisations of overlapping environments at once: each tree is made once, and everyone gets theirs."""

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers import serving
from tar_ecosystem import TarEcosystem, make_package, settings_for

from breakbulk.store.layout import Layout
from breakbulk.store.realise import realise

PROCESSES, THREADS, PACKAGES = 8, 25, 40


def environments(packages, process: int, url: str, directory: Path) -> None:
    """Realise `THREADS` random choices at once; raise the first error."""
    settings = settings_for(directory, jobs=1, downloads=2)

    def one(thread: int) -> None:
        chance = random.Random(process * THREADS + thread)  # noqa: S311 - the same in every run
        chosen = chance.sample(packages, 8)
        realised = realise(
            chosen, None, manifest_installs={}, ecosystems={"archive": TarEcosystem(url)}, settings=settings
        )
        assert all((lower / "opt").is_dir() for lower in realised.lowers)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(THREADS)))


@pytest.mark.integration
def test_two_hundred_at_once(tmp_path):
    packages = [make_package(tmp_path, f"p{n}", {f"opt/{n}": os.urandom(50_000)}) for n in range(PACKAGES)]
    with serving(lambda h: h.reply((tmp_path / h.path[1:]).read_bytes())) as server:
        children = []
        for process in range(PROCESSES):
            child = os.fork()
            if child == 0:
                signal.alarm(120)
                try:
                    environments(packages, process, server.url, tmp_path)
                except BaseException:  # noqa: BLE001
                    import traceback

                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            children.append(child)
        statuses = [os.waitpid(child, 0)[1] for child in children]
        asked = [path for path, _ in server.asked]
    assert statuses == [0] * PROCESSES
    layout = Layout(tmp_path / "store")
    made = os.listdir(layout.packages)
    assert len(asked) == len(set(asked)) == len(made), "each archive was fetched once"
    assert os.listdir(layout.staging) == []
    assert sorted(os.listdir(layout.records)) == sorted(made)
