"""What is in a store."""

from prepared_source import DirectorySource
from tar_ecosystem import TarEcosystem, make_package, settings_for

from breakbulk.store.inventory import list_packages, stats, trees
from breakbulk.store.layout import KEY_DIGITS, Layout, directory_name
from breakbulk.store.realise import realise


def test_a_store_that_was_never_used_is_empty(tmp_path):
    layout = Layout(tmp_path / "none")
    assert list_packages(layout) == []
    assert stats(layout).packages == 0


def test_packages_and_sums(tmp_path):
    settings = settings_for(tmp_path)
    packages = [make_package(tmp_path, name, {"opt/a": b"12345", "opt/l": "a"}) for name in ("b", "a")]
    realise(packages, None, manifest_installs={}, ecosystems={"archive": TarEcosystem(tmp_path)}, settings=settings)
    listed = list_packages(Layout(settings.store))
    assert [(p.name, p.version, p.size, p.files, len(p.key)) for p in listed] == [
        ("a", "1", 5, 2, KEY_DIGITS),
        ("b", "1", 5, 2, KEY_DIGITS),
    ]
    sums = stats(Layout(settings.store))
    assert (sums.packages, sums.size, sums.files, sums.ecosystems) == (2, 10, 4, {"archive": 2})


def test_what_is_there_on_the_word_of_somebody_is_told_and_comes_second(tmp_path):
    package = make_package(tmp_path, "a", {"opt/a": b"12345"})
    (tmp_path / "pusher").mkdir()
    pusher, settings = settings_for(tmp_path / "pusher"), settings_for(tmp_path)
    more = {"manifest_installs": {}, "ecosystems": {"archive": TarEcosystem(tmp_path)}}
    realise([package], None, settings=pusher, **more)
    source = DirectorySource(tmp_path / "objects").add(Layout(pusher.store), [package])
    layout = Layout(settings.store)
    [believed] = realise([package], None, settings=settings, prepared=source, **more).trees
    assert [listed.vouched for listed in list_packages(layout)] == [True]
    assert trees(layout) == {directory_name(package): layout.tree(believed)}
    realise([package], None, settings=settings, **more)
    assert [listed.vouched for listed in list_packages(layout)] == [False, True]
    assert trees(layout) == {directory_name(package): layout.tree(package)}
