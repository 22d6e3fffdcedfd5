"""What is in a store."""

from tar_ecosystem import TarEcosystem, make_package, settings_for

from breakbulk.store.inventory import list_packages, stats
from breakbulk.store.layout import KEY_DIGITS, Layout
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
