"""Suites of a manifest find their sources, or have them derived."""

import pytest

from breakbulk.ecosystems.deb.sources import Source
from breakbulk.ecosystems.deb.suites import Selected, requested_suites, select
from breakbulk.errors import ManifestError
from breakbulk.manifest.schema import Options, Suite

APT = (
    Source(uri="http://d/debian", suite="bookworm", components=("main",), signed_by=("/k",)),
    Source(uri="http://d/debian", suite="bookworm-updates", components=("main",), signed_by=("/k",)),
    Source(uri="http://d/debian-security", suite="bookworm-security", components=("main",), signed_by=("/k",)),
    Source(uri="http://third/", suite="nodistro", components=("main",), signed_by=("/other",)),
)


def places(selected: tuple[Selected, ...]) -> list[tuple[str, str, bool]]:
    return [(each.source.uri, each.source.suite, each.optional) for each in selected]


def test_a_configured_suite_brings_its_companions() -> None:
    assert places(select(APT, requested_suites(Options()))) == [
        ("http://d/debian", "bookworm", False),
        ("http://d/debian", "bookworm-updates", False),
        ("http://d/debian-security", "bookworm-security", False),
    ]


def test_another_suite_is_derived_by_its_code_name() -> None:
    selected = select(APT, requested_suites(Options(suite="trixie")))
    assert places(selected) == [
        ("http://d/debian", "trixie", False),
        ("http://d/debian", "trixie-updates", True),
        ("http://d/debian-security", "trixie-security", True),
    ]
    assert selected[0].source.signed_by == ("/k",)


@pytest.mark.parametrize(
    ("suite", "uri"),
    [
        ("trixie-security", "http://d/debian-security"),
        ("bookworm-backports", "http://d/debian"),
        ("sid", "http://d/debian"),
    ],
)
def test_a_suite_by_its_whole_name_is_alone(suite: str, uri: str) -> None:
    assert places(select(APT, requested_suites(Options(suite=suite)))) == [(uri, suite, False)]


def test_third_parties_take_part_when_named() -> None:
    assert places(select(APT, requested_suites(Options(suite=("nodistro",))))) == [("http://third/", "nodistro", False)]


def test_priorities_and_components_of_the_manifest_count() -> None:
    suites = (Suite(name="bookworm", priority=900, components=("main", "contrib")), "trixie")
    selected = select(APT, requested_suites(Options(suite=suites), targets=["sid", "trixie"]))
    pins = {each.source.suite: each.pin for each in selected}
    assert pins["bookworm"] == pins["bookworm-security"] == 900
    assert pins["trixie"] is None
    assert pins["sid"] == 100
    assert selected[0].source.components == ("main", "contrib")


def test_no_sources_at_all() -> None:
    with pytest.raises(ManifestError) as caught:
        select((), requested_suites(Options()))
    assert caught.value.reference == "deb-sources-missing"
