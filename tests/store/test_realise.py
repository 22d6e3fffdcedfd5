"""Packages become present, whole and once; what goes wrong is worded and leaves nothing half-made."""

import os
import stat
from pathlib import Path

import pytest
from children import give_to_nobody, in_child, own_mounts
from servers import scripted, serving
from tar_ecosystem import PYTHON, TAG, Failing, TarEcosystem, make_package, make_python, settings_for

from breakbulk.errors import ArchiveError, IntegrityError, NetworkError, StoreError
from breakbulk.store import linux
from breakbulk.store.layout import Layout
from breakbulk.store.realise import realise


@pytest.fixture
def archives(tmp_path):
    directory = tmp_path / "archives"
    directory.mkdir()
    return directory


def some(archives, count=5, size=1000):
    return [
        make_package(archives, f"p{n}", {f"opt/of-{n}": os.urandom(size), "opt/link": f"of-{n}"}) for n in range(count)
    ]


def run(packages, ecosystem, settings, python=None):
    return realise(packages, python, manifest_installs={}, ecosystems={"archive": ecosystem}, settings=settings)


def assert_tidy(settings):
    assert os.listdir(settings.store / "staging") == []
    assert sorted(os.listdir(settings.store / "packages")) == sorted(os.listdir(settings.store / "records"))


def assert_whole(packages, settings):
    layout = Layout(settings.store)
    for package in packages:
        number = package.name.removeprefix("p")
        assert layout.tree(package).joinpath("opt", f"of-{number}").is_file()
    assert_tidy(settings)
    partial = settings.cache / "partial"
    assert not partial.exists() or os.listdir(partial) == []


class NeverAsked:
    def locate(self, *arguments):
        raise AssertionError("everything is here already")


def test_everything_is_made_once(tmp_path, archives):
    packages = some(archives)
    settings = settings_for(tmp_path)
    first = run(packages, TarEcosystem(archives), settings)
    assert (first.packages, first.made, first.bytes_downloaded) == (5, 5, 0)
    assert {"download", "unpack", "commit", "total"} == first.seconds.keys()
    assert_whole(packages, settings)
    second = run(packages[::-1], NeverAsked(), settings)
    assert (second.made, second.lowers) == (0, first.lowers[::-1])
    assert sorted(os.listdir(archives)) == [f"p{n}-1.tar" for n in range(5)], "archives that are not ours stay"


def test_archives_are_downloaded_and_not_kept(tmp_path, archives):
    packages = some(archives)
    settings = settings_for(tmp_path)
    with serving(lambda h: h.reply((archives / h.path[1:]).read_bytes())) as server:
        realised = run(packages, TarEcosystem(server.url), settings)
        assert len(server.asked) == 5
    assert realised.bytes_downloaded == sum(package.size for package in packages)
    assert_whole(packages, settings)


def test_modes_do_not_depend_on_the_umask(tmp_path, archives):
    packages = some(archives, 1)
    before = os.umask(0o077)
    try:
        realised = run(packages, TarEcosystem(archives), settings_for(tmp_path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(realised.lowers[0].stat().st_mode) == 0o755
    assert stat.S_IMODE((realised.lowers[0] / "opt").stat().st_mode) == 0o755


def test_a_wrong_digest_stops_everything_and_the_next_run_completes(tmp_path, archives):
    packages = some(archives)
    settings = settings_for(tmp_path)

    def wrong_once(handler):
        data = (archives / handler.path[1:]).read_bytes()
        handler.reply(data[::-1] if handler.path == "/p3-1.tar" else data)

    with serving(wrong_once) as server, pytest.raises(IntegrityError) as raised:
        run(packages, TarEcosystem(server.url), settings)
    assert (raised.value.reference, raised.value.where) == ("digest-mismatch", "archive:p3")
    assert_tidy(settings)
    assert not Layout(settings.store).tree(packages[3]).exists()
    run(packages, TarEcosystem(archives), settings)
    assert_whole(packages, settings)


def test_a_server_that_dies_half_way_and_comes_back(tmp_path, archives):
    packages = some(archives, 1, size=400_000)
    settings = settings_for(tmp_path, retries=1)
    data = (archives / packages[0].file).read_bytes()
    with serving(lambda h: h.reply(data[:250_000], length=len(data))) as server, pytest.raises(NetworkError) as raised:
        run(packages, TarEcosystem(server.url), settings)
    assert raised.value.reference == "download-failed"
    assert raised.value.retryable
    assert_tidy(settings)
    with serving(lambda h: h.reply_range(data)) as server:
        realised = run(packages, TarEcosystem(server.url), settings)
        assert server.asked[0][1]["Range"].startswith("bytes=")
    assert realised.bytes_downloaded <= len(data) - 200_000
    assert_whole(packages, settings)


def test_a_truncated_archive(tmp_path, archives):
    packages = some(archives, 2)
    data = (archives / packages[0].file).read_bytes()
    settings = settings_for(tmp_path, retries=1)
    with serving(lambda h: h.reply_range(data[:2000])) as server, pytest.raises(IntegrityError) as raised:
        run(packages[:1], TarEcosystem(server.url), settings)
    assert raised.value.reference == "download-truncated"
    assert_tidy(settings)


def test_an_archive_that_must_not_be_unpacked(tmp_path, archives):
    bad = make_package(archives, "bad", {"../../escaped": b"x"})
    settings = settings_for(tmp_path)
    with pytest.raises(ArchiveError, match=r"bad-1\.tar"):
        run([bad, *some(archives)], TarEcosystem(archives), settings)
    assert_tidy(settings)


@pytest.mark.parametrize(("number", "reference"), [(1, "worker-died"), (2, "unpack-failed")])
def test_a_worker_that_breaks_names_the_package(tmp_path, archives, number, reference):
    settings = settings_for(tmp_path)
    with pytest.raises((StoreError, ArchiveError)) as raised:
        run([some(archives)[number]], Failing(archives), settings)
    assert raised.value.reference == reference
    assert f"p{number}" in str(raised.value)
    assert_tidy(settings)


@pytest.mark.integration
@pytest.mark.parametrize("part", ["store", "cache"])
def test_a_full_disk(tmp_path, archives, part):
    packages = some(archives, 6, size=700_000)
    settings = settings_for(tmp_path)
    data = {package.file: (archives / package.file).read_bytes() for package in packages}

    def fill_and_retry():
        small = settings.store if part == "store" else settings.cache
        small.mkdir()
        own_mounts()
        linux.mount("tmpfs", small, "tmpfs", 0, f"size={'3m' if part == 'store' else '400k'}")
        with serving(lambda h: h.reply_range(data[h.path[1:]])) as server:
            try:
                run(packages, TarEcosystem(server.url), settings)
            except StoreError as error:
                assert_tidy(settings)
                linux.mount(None, small, None, linux.MS_REMOUNT, "size=30m")
                run(packages, TarEcosystem(server.url), settings)
                assert_whole(packages, settings)
                return error
        raise AssertionError("it fitted")

    error = in_child(fill_and_retry)
    assert error.reference == "disk-full"
    assert "BREAKBULK_STORE" in error.hint if part == "store" else "BREAKBULK_CACHE" in error.hint
    assert "more are needed" in error.why


@pytest.mark.integration
def test_no_permission(open_directory, archives):
    packages = some(open_directory)
    open_directory.chmod(0o555)
    settings = settings_for(open_directory)
    with pytest.raises(StoreError) as raised:
        in_child(run, packages, TarEcosystem(open_directory), settings, user=True)
    assert raised.value.reference == "store-not-writable"
    assert "chown" in raised.value.hint


@pytest.mark.integration
def test_an_ordinary_user_realises_with_bytecode(open_directory):
    archives = open_directory / "archives"
    archives.mkdir()
    packages = [make_python(archives), make_package(archives, "p0", {"opt/of-0": b"", "opt/m.py": b"x=1"}, python=True)]
    give_to_nobody(open_directory)
    settings = settings_for(open_directory)
    realised = in_child(run, packages, TarEcosystem(archives), settings, PYTHON, user=True)
    assert (realised.lowers[1] / "opt" / "__pycache__" / f"m.{TAG}.pyc").is_file()
    assert_whole(packages[1:], settings)


def test_partial_downloads_of_long_ago_are_removed(tmp_path, archives):
    settings = settings_for(tmp_path)
    old = settings.cache / "partial" / "old"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    run(some(archives, 1), TarEcosystem(archives), settings)
    assert not old.exists()


def test_retries_are_of_the_transfer_not_of_the_realisation(tmp_path, archives):
    packages = some(archives, 1)
    data = (archives / packages[0].file).read_bytes()
    with serving(scripted(lambda h: h.reply(status=503, Retry_After="0"), lambda h: h.reply(data))) as server:
        run(packages, TarEcosystem(server.url), settings_for(tmp_path))
        assert len(server.asked) == 2


def test_a_path_with_a_link_in_it_is_kept(tmp_path, archives):
    realised = run(some(archives, 1), TarEcosystem(archives), settings_for(tmp_path))
    assert (realised.lowers[0] / "opt" / "link").readlink() == Path("of-0")
