"""Realising from prepared packages: no archive, no compiler; and archives wherever an offer is of no use."""

import hashlib
import os
from pathlib import Path

import pytest
from children import in_child, own_mounts
from msgspec import structs
from prepared_source import DirectorySource
from servers import serving
from tar_ecosystem import PYTHON, TAG, TarEcosystem, make_package, make_python, settings_for

from breakbulk.ecosystems.interface import Location
from breakbulk.errors import HubError, NetworkError, NotFoundError, StoreError
from breakbulk.reporting import SILENT
from breakbulk.store import linux, production
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.prepared import Streamed
from breakbulk.store.realise import realise
from breakbulk.store.records import read_record

UNREACHABLE = NetworkError("the hub does not answer", identifier="hub-unreachable", where="s3://hub")


class Told:
    """Keeps notes; everything else is nobody's business."""

    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)

    def begin(self, *arguments, **more):
        return SILENT.begin(*arguments, **more)


class Bench:
    """Packages in the store of one machine, prepared, and another machine that has nothing."""

    def __init__(self, directory: Path, count: int = 4, *, size: int = 30_000, python: bool = False) -> None:
        self.archives = directory / "archives"
        self.archives.mkdir()
        self.packages = [
            make_package(self.archives, f"p{n}", {f"opt/of-{n}": os.urandom(size), "opt/link": f"of-{n}"})
            for n in range(count)
        ]
        if python:
            source = {"opt/m.py": b"x = 1\n", "opt/n.py": b"y = 2\n"}
            self.packages += [make_python(self.archives), make_package(self.archives, "m", source, python=True)]
        self.python = PYTHON if python else None
        (directory / "first").mkdir()
        self.first = settings_for(directory / "first")
        self.second = settings_for(directory / "second")
        self.told = Told()
        self.realise(self.first)
        self.source = DirectorySource(directory / "objects").add(Layout(self.first.store), self.packages)

    def realise(self, settings, source=None, ecosystem=None):
        ecosystem = ecosystem or TarEcosystem(self.archives)
        realised = realise(
            self.packages,
            self.python,
            manifest_installs={},
            ecosystems={"archive": ecosystem},
            settings=settings,
            reporter=self.told,
            prepared=source,
        )
        self.trees = {package.name: package for package in realised.trees}
        return realised

    @property
    def vouched(self) -> set[str]:
        """The names of the packages whose trees are taken on somebody's word."""
        return {name for name, package in self.trees.items() if package.vouched}

    def check(self, settings=None) -> None:
        """See that the second store has what the first has, and is tidy."""
        first, second = Layout(self.first.store), Layout((settings or self.second).store)
        for package in self.packages:
            found = self.trees[package.name]
            assert read_record(second, found) == read_record(first, package)
            assert files(second.tree(found)) == files(first.tree(package))
        assert os.listdir(second.staging) == []
        partial = (settings or self.second).cache / "partial"
        assert not partial.exists() or os.listdir(partial) == []


def files(root: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


class NoArchives(TarEcosystem):
    def locate(self, package, install, settings):
        raise AssertionError(f"nobody needs the archive of {package.id}")


def test_nothing_but_objects_is_fetched(bench):
    made = bench.realise(bench.second, bench.source, NoArchives())
    assert (made.made, bench.told.notes) == (4, [])
    bench.check()


def test_no_compiler_is_started_when_nothing_is_left_to_compile(tmp_path, monkeypatch):
    bench = Bench(tmp_path, 1, python=True)

    def refuse(*arguments):
        raise AssertionError("a compiler was started")

    monkeypatch.setattr(production, "open_compiler", refuse)
    made = bench.realise(bench.second, bench.source, NoArchives())
    assert "bytecode" not in made.seconds
    bench.check()
    trees = Layout(bench.second.store)
    assert len(list(trees.tree(bench.trees["m"]).rglob(f"*.{TAG}.pyc"))) == 2


def test_what_is_not_prepared_is_compiled_with_an_interpreter_that_is(tmp_path):
    bench = Bench(tmp_path, 1, python=True)
    del bench.source.offers[directory_name(bench.packages[-1])]
    bench.realise(bench.second, bench.source)
    bench.check()


def test_objects_come_over_a_stream(bench):
    bench.source.streamed = True
    made = bench.realise(bench.second, bench.source, NoArchives())
    assert made.bytes_downloaded == sum(offer.size for offer in bench.source.offers.values())
    bench.check()


def test_a_broken_stream_goes_on_where_it_broke(tmp_path):
    bench = Bench(tmp_path, 1)
    bench.source.streamed = True
    bench.source.broken, bench.source.heals_after = UNREACHABLE, 2
    bench.realise(bench.second, bench.source, NoArchives())
    assert bench.source.asked == [0, 4096, 8192]
    bench.check()


def harm(path: Path, how) -> None:
    path.write_bytes(how(path.read_bytes()))


@pytest.mark.parametrize(
    "how",
    [
        lambda data: data[:-10],
        lambda data: data + b"more",
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda _: b"",
    ],
    ids=["truncated", "longer", "altered", "empty"],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_damaged_object_is_named_and_the_archive_used(bench, how, streamed):
    bench.source.streamed = streamed
    harm(bench.source.object(bench.packages[2]), how)
    bench.realise(bench.second, bench.source)
    bench.check()
    [note] = bench.told.notes
    assert "archive:p2" in note
    assert f"object {bench.source.object(bench.packages[2]).name[:8]} of ada/demo:1" in note


def test_an_object_that_is_missing_is_named_and_the_archive_used(bench):
    bench.source.object(bench.packages[0]).unlink()
    bench.realise(bench.second, bench.source)
    bench.check()
    assert len(bench.told.notes) == 1


def test_a_tree_that_is_not_the_vouched_one_is_never_committed(bench):
    """A hub that lies about everything but the tree: its object is whole, and another package's."""
    other = bench.source.offers[directory_name(bench.packages[1])]
    name = directory_name(bench.packages[0])
    bench.source.offers[name] = structs.replace(other, tree=bench.source.offers[name].tree)
    bench.realise(bench.second, bench.source)
    bench.check()
    assert "prepared package is damaged" in bench.told.notes[0]


def test_an_object_of_a_later_version_is_no_obstacle(bench):
    path = bench.source.object(bench.packages[0])
    harm(path, lambda data: data[:16] + b"\x02" + data[17:])
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    path.rename(path.with_name(sha256))
    name = directory_name(bench.packages[0])
    bench.source.offers[name] = structs.replace(bench.source.offers[name], sha256=sha256)
    bench.realise(bench.second, bench.source)
    bench.check()
    assert "a format that this version does not know" in bench.told.notes[0]


@pytest.mark.parametrize(
    "error", [UNREACHABLE, HubError("no", identifier="hub-denied"), NotFoundError("gone", identifier="object-missing")]
)
def test_a_hub_that_fails_is_no_obstacle(bench, error):
    bench.source.streamed = True
    bench.source.broken = error
    bench.realise(bench.second, bench.source)
    bench.check()


def test_a_hub_that_does_not_answer_is_asked_no_more(tmp_path):
    bench = Bench(tmp_path, 12)

    def refuse(offer, start):
        raise UNREACHABLE

    bench.source.streamed = True
    bench.source._stream = refuse
    bench.realise(settings_for(tmp_path / "second", downloads=1), bench.source)
    bench.check()
    assert len([note for note in bench.told.notes if "is made from its archive" in note]) == 3
    assert bench.told.notes[-1] == "no more prepared packages are asked for"


def test_a_list_of_offers_that_cannot_be_had_is_told_once(bench):
    def refuse(package):
        raise UNREACHABLE

    bench.source.offer = refuse
    bench.realise(bench.second, bench.source)
    bench.check()
    assert len(bench.told.notes) == 1


def test_archives_of_the_hub_come_before_those_of_the_index(bench):
    def archives(package):
        yield Streamed(name="hub", open=lambda start: iter([(bench.archives / package.file).read_bytes()[start:]]))
        yield Location(path=Path("/nonexistent"))

    bench.source.offers.clear()
    bench.source.archives = archives
    bench.realise(bench.second, bench.source, TarEcosystem())
    bench.check()


def test_with_neither_object_nor_archive_the_error_says_so(bench):
    for package in bench.packages:
        bench.source.object(package).unlink()
    with pytest.raises(NetworkError) as caught:
        bench.realise(bench.second, bench.source, TarEcosystem(Path("/nonexistent")))
    assert caught.value.reference == "download-failed"
    assert os.listdir(Layout(bench.second.store).packages) == []
    assert os.listdir(Layout(bench.second.store).staging) == []


@pytest.mark.integration
@pytest.mark.parametrize("part", ["store", "cache"])
def test_a_full_disk(tmp_path, part):
    """The archive needs no less room than the object, so it is not tried."""
    bench = Bench(tmp_path, 6, size=700_000)
    bench.source.streamed = True

    def fill_and_retry():
        small = bench.second.store if part == "store" else bench.second.cache
        small.mkdir(parents=True)
        own_mounts()
        linux.mount("tmpfs", small, "tmpfs", 0, f"size={'3m' if part == 'store' else '400k'}")
        try:
            bench.realise(bench.second, bench.source, NoArchives())
        except StoreError as error:
            assert os.listdir(bench.second.store / "staging") == []
            linux.mount(None, small, None, linux.MS_REMOUNT, "size=30m")
            bench.realise(bench.second, bench.source, NoArchives())
            bench.check()
            return error
        raise AssertionError("it fitted")

    error = in_child(fill_and_retry)
    assert error.reference == "disk-full"
    assert "BREAKBULK_STORE" in error.hint if part == "store" else "BREAKBULK_CACHE" in error.hint


def test_an_interrupted_object_is_resumed_by_the_next_run(tmp_path):
    bench = Bench(tmp_path, 1)
    offer = bench.source.offer(bench.packages[0])
    partial = bench.second.cache / "partial"
    partial.mkdir(parents=True)
    name = production.partial_name(bench.second.store, directory_name(bench.packages[0]))
    (partial / f"{name}.prepared").write_bytes(bench.source.object(bench.packages[0]).read_bytes()[:10_000])
    (partial / name).write_bytes(b"the beginning of the archive, of an earlier run without a hub")
    bench.source.streamed = True
    made = bench.realise(bench.second, bench.source, NoArchives())
    assert made.bytes_downloaded == offer.size - 10_000
    assert bench.source.asked == [10_000]
    bench.check()


def test_objects_come_from_addresses_too(bench):
    with serving(lambda h: h.reply_range((bench.source.directory / h.path[1:]).read_bytes())) as server:
        bench.source.places = lambda offer: [Location(url=f"{server.url}/{offer.sha256}")]
        bench.realise(bench.second, bench.source, NoArchives())
    bench.check()
