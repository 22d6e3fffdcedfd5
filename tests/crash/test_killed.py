"""kill -9 at each moment of a realisation: nothing that runs is left, and the next run completes and tidies up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from children import in_child
from msgspec import structs
from prepared_source import DirectorySource
from servers import serving
from tar_ecosystem import PYTHON, TarEcosystem, make_package, make_python, settings_for

from breakbulk.store import linux
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.realise import realise
from breakbulk.store.records import read_record

MOMENTS = [
    ("store-prepared", 1),
    ("staging-swept", 1),
    ("claims-taken", 1),
    ("bytes-arrived", 1),
    ("bytes-arrived", 7),
    ("archive-verified", 1),
    ("archive-verified", 4),
    ("archive-fetched", 1),
    ("stage-made", 1),
    ("stage-made", 5),
    ("unpacking", 0),
    ("unpacking", 3),
    ("tree-unpacked", 1),
    ("tree-unpacked", 5),
    ("record-written", 1),
    ("record-written", 3),
    ("group-synced", 1),
    ("record-named", 1),
    ("record-named", 4),
    ("tree-named", 1),
    ("tree-named", 5),
    ("archive-removed", 2),
    ("claims-released", 1),
    ("composition-written", 1),
    ("bundle-linked", 1),
    ("bundle-recorded", 1),
    ("bundle-named", 1),
]
PREPARED = [
    ("claims-taken", 1),
    ("bytes-arrived", 1),
    ("bytes-arrived", 40),
    ("archive-verified", 1),
    ("archive-verified", 4),
    ("archive-fetched", 1),
    ("stage-made", 1),
    ("stage-made", 5),
    ("offer-declined", 1),
    ("tree-unpacked", 1),
    ("tree-unpacked", 5),
    ("record-written", 1),
    ("record-written", 6),
    ("group-synced", 1),
    ("record-named", 1),
    ("record-named", 4),
    ("archive-removed", 2),
    ("tree-named", 1),
    ("tree-named", 6),
    ("claims-released", 1),
]
DRIVER = Path(__file__).with_name("realising.py")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    directory = tmp_path_factory.mktemp("archives")
    packages = [
        make_package(directory, f"p{n}", {f"opt/{n}/{m}": os.urandom(20_000) for m in range(10)}) for n in range(5)
    ]
    compiled = [
        make_python(directory),
        make_package(directory, "m", {f"opt/m{n}.py": b"x = 1\n" * 50_000 for n in range(4)}, python=True),
    ]
    return directory, packages, compiled


def drive(directory: Path, *arguments: object) -> int:
    path = os.pathsep.join(sys.path)
    command = [sys.executable, str(DRIVER), str(directory), *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
    return done.returncode


def orphans_left() -> int:
    """Wait for processes that came to us when their parents died; a process that stays makes this fail."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
    return 1


def crash_and_recover(directory: Path, milestone: str, number: int) -> tuple[int, int, int]:
    linux.set_child_subreaper()
    killed = drive(directory, milestone, number)
    return killed, orphans_left(), drive(directory)


def check(tmp_path, archives, packages, milestone, number, *, trees=None):
    (tmp_path / "packages.msgpack").write_bytes(msgspec.msgpack.encode(packages))
    with serving(lambda h: h.reply_range((archives / h.path[1:]).read_bytes())) as server:
        (tmp_path / "url").write_text(server.url)
        killed, left, completed = in_child(crash_and_recover, tmp_path, milestone, number)
    assert (killed, left, completed) == (-signal.SIGKILL, 0, 0)
    layout = Layout(tmp_path / "store")
    names = sorted(directory_name(package) for package in trees or packages)
    assert sorted(os.listdir(layout.packages)) == names
    assert sorted(os.listdir(layout.records)) == sorted([*names, *os.listdir(layout.bundles)])
    assert os.listdir(tmp_path / "cache" / "partial") == []
    return layout


@pytest.mark.integration
@pytest.mark.parametrize(("milestone", "number"), MOMENTS)
def test_the_next_run_completes(tmp_path, archives, milestone, number):
    directory, packages, _ = archives
    layout = check(tmp_path, directory, packages, milestone, number)
    for index, package in enumerate(packages):
        assert sorted(os.listdir(layout.tree(package) / "opt" / str(index))) == sorted(map(str, range(10)))
    assert len(os.listdir(layout.bundles)) == 1
    assert os.listdir(layout.staging) == []


@pytest.mark.integration
@pytest.mark.parametrize("number", [1, 3])
def test_the_next_run_completes_after_a_kill_while_compiling(tmp_path, archives, number):
    directory, _, compiled = archives
    layout = check(tmp_path, directory, compiled, "chunk-compiled", number)
    cache = layout.tree(compiled[1]) / "opt" / "__pycache__"
    assert len(os.listdir(cache)) == 4


@pytest.fixture(scope="module")
def prepared(archives, tmp_path_factory):
    """All packages prepared, one object of them damaged: its package comes from its archive."""
    directory, packages, compiled = archives
    settings = settings_for(tmp_path_factory.mktemp("pusher"))
    every = [*packages, *compiled]
    realise(every, PYTHON, manifest_installs={}, ecosystems={"archive": TarEcosystem(directory)}, settings=settings)
    layout = Layout(settings.store)
    source = DirectorySource(settings.store.parent / "objects").add(layout, every)
    source.object(packages[0]).write_bytes(b"damaged")
    name = directory_name(packages[1])
    source.offers[name] = structs.replace(source.offers[name], tree="0" * 64)
    source.save()
    return every, layout, source


@pytest.mark.integration
@pytest.mark.parametrize(("milestone", "number"), PREPARED)
def test_the_next_run_completes_from_prepared_packages(tmp_path, archives, prepared, milestone, number):
    directory, _, _ = archives
    packages, pushed, source = prepared
    (tmp_path / "objects").symlink_to(source.directory)
    believed = [structs.replace(package, vouched=source.offer(package).tree) for package in packages[2:]]
    trees = [*packages[:2], *believed]
    layout = check(tmp_path, directory, packages, milestone, number, trees=trees)
    for tree, package in zip(trees, packages, strict=True):
        assert read_record(layout, tree) == read_record(pushed, package)
    assert os.listdir(layout.staging) == []
