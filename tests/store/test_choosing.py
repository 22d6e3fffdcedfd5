"""Which tree an environment runs: what the archive became is anybody's, what somebody vouches for is not."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from prepared_source import DirectorySource
from tar_ecosystem import PYTHON, TAG, TarEcosystem, make_package, make_python, settings_for

from breakbulk.lock.model import LockedSystem, Package
from breakbulk.store.base.naming import base_name, relevant
from breakbulk.store.layout import KEY_DIGITS, Layout, directory_name, plain_name
from breakbulk.store.realise import realise

DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The packages p, python and m, which is compiled by it, and all of them prepared."""
    directory = tmp_path_factory.mktemp("pushed")
    packages = [
        make_package(directory, "p", {"opt/p": b"p"}),
        make_python(directory),
        make_package(directory, "m", {"opt/m.py": b"x = 1\n"}, python=True),
    ]
    settings = settings_for(directory)
    run(packages, directory, settings)
    source = DirectorySource(directory / "objects").add(Layout(settings.store), packages)
    return directory, packages, source


def run(packages, directory, settings, source=None):
    return realise(
        packages,
        PYTHON,
        manifest_installs={},
        ecosystems={"archive": TarEcosystem(directory)},
        settings=settings,
        prepared=source,
    )


def offering(place, *names):
    """Return a source that offers the packages of these names only."""
    _, packages, source = place
    some = DirectorySource(source.directory)
    some.offers = {directory_name(each): source.offers[directory_name(each)] for each in packages if each.name in names}
    return some


def vouched(realised):
    return {package.name for package in realised.trees if package.vouched}


def names(settings):
    """Return the names of what is in the store, whose records are those of its trees."""
    layout = Layout(settings.store)
    assert sorted(os.listdir(layout.packages)) == sorted(os.listdir(layout.records))
    assert os.listdir(layout.staging) == []
    return {
        name[KEY_DIGITS + 1 :].split("-1")[0] + ("@" if "@" in name else "") for name in os.listdir(layout.packages)
    }


def test_all_is_taken_on_the_word_of_who_offers_all(place, tmp_path):
    directory, packages, source = place
    settings = settings_for(tmp_path)
    realised = run(packages, directory, settings, source)
    assert vouched(realised) == {"p", "python", "m"}
    assert names(settings) == {"p@", "python@", "m@"}
    assert [lower.name for lower in realised.lowers] == [directory_name(each) for each in realised.trees]
    assert run(packages, directory, settings, source).made == 0


def test_python_that_somebody_vouches_for_compiles_nothing(place, tmp_path):
    """Else what it makes of archives would be for everybody."""
    directory, packages, _ = place
    settings = settings_for(tmp_path)
    everything = run(packages, directory, settings, offering(place, "p", "python"))
    assert vouched(everything) == {"p"}
    assert names(settings) == {"p@", "python", "m"}


def test_nor_when_it_is_there_already(place, tmp_path):
    directory, packages, _ = place
    settings = settings_for(tmp_path)
    before = run(packages[:2], directory, settings, offering(place, "p", "python"))
    assert vouched(before) == {"p", "python"}
    after = run(packages, directory, settings, offering(place, "p", "python"))
    assert vouched(after) == {"p"}
    assert names(settings) == {"p@", "python@", "python", "m"}


def test_nor_when_an_offer_fails(place, tmp_path):
    directory, packages, source = place
    settings = settings_for(tmp_path)
    harmed = offering(place, "p", "python", "m")
    name = directory_name(packages[2])
    harmed.offers[name] = structs.replace(source.offers[name], tree=DIGEST)
    realised = run(packages, directory, settings, harmed)
    assert vouched(realised) == {"p"}
    tree = Layout(settings.store).tree(packages[2])
    assert len(list(tree.rglob(f"*.{TAG}.pyc"))) == 1
    assert run(packages, directory, settings).made == 1, "p is not there for those who do not believe the source"


def test_what_the_archive_became_is_taken_without_asking(place, tmp_path):
    directory, packages, _ = place
    settings = settings_for(tmp_path)
    run(packages, directory, settings)

    class Nobody(DirectorySource):
        def offer(self, package):
            raise AssertionError("nothing is wanted")

    assert vouched(run(packages, directory, settings, Nobody(tmp_path))) == set()


def test_offers_of_one_package_that_differ_are_two_trees(place, tmp_path):
    directory, packages, source = place
    settings = settings_for(tmp_path)
    other = offering(place, "p")
    name = directory_name(packages[0])
    other.offers[name] = source.offers[directory_name(packages[2])]  # whole, and something else
    first = run(packages[:1], directory, settings, source)
    second = run(packages[:1], directory, settings, other)
    assert first.lowers != second.lowers
    assert (second.lowers[0] / "opt" / "m.py").is_file()
    assert run(packages[:1], directory, settings).lowers[0].joinpath("opt/p").read_bytes() == b"p"
    assert len(os.listdir(settings.store / "packages")) == 3


@given(st.text(max_size=300), st.text(max_size=300), st.none() | st.just(DIGEST))
def test_names_are_one_component_and_tell_whose_they_are(name, version, digest):
    package = Package(
        ecosystem="deb", name=name, version=version, file="f", size=1, sha256=DIGEST, purl="", vouched=digest
    )
    directory = directory_name(package)
    assert "/" not in directory
    assert len(directory.encode()) < 255
    assert plain_name(directory) == directory_name(structs.replace(package, vouched=None))
    assert (plain_name(directory) == directory) == (digest is None)


def test_a_base_package_of_vouched_trees_is_one_of_its_own():
    plain = Package(ecosystem="deb", name="bash", version="5", file="f", size=1, sha256=DIGEST, purl="")
    believed = structs.replace(plain, vouched=DIGEST)
    first, second, third = (
        base_name(relevant(LockedSystem(packages=(each,))), ["C.UTF-8"], owners=True)
        for each in (plain, believed, structs.replace(plain, vouched="cd" * 32))
    )
    assert len({first, second, third}) == 3
    assert {plain_name(each) for each in (first, second, third)} == {first}
