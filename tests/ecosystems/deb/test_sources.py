"""apt's sources are read as apt reads them."""

from pathlib import Path

import pytest

from breakbulk.ecosystems.deb.sources import read_sources
from breakbulk.errors import ManifestError


def sources(
    directory: Path, files: dict[str, str], architecture: str = "amd64"
) -> list[tuple[str, str, tuple[str, ...]]]:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [(source.uri, source.suite, source.components) for source in read_sources(directory, architecture)]


def test_reads_both_styles_in_apts_order(tmp_path: Path) -> None:
    files = {
        "sources.list.d/b.list": "deb-src http://b/ s main\ndeb http://b/ s main # why\n",
        "sources.list.d/a.sources": "# debian\nTypes: deb deb-src\nURIs: http://a/x http://c\n"
        "Suites: s s-updates\nComponents: main contrib\n",
        "sources.list.d/c.disabled": "deb http://no s main\n",
        "sources.list": "deb http://first s main\n\n",
    }
    assert sources(tmp_path, files) == [
        ("http://first", "s", ("main",)),
        ("http://a/x", "s", ("main", "contrib")),
        ("http://a/x", "s-updates", ("main", "contrib")),
        ("http://c", "s", ("main", "contrib")),
        ("http://c", "s-updates", ("main", "contrib")),
        ("http://b", "s", ("main",)),
    ]


def test_leaves_out_what_is_disabled_or_of_another_architecture(tmp_path: Path) -> None:
    files = {
        "sources.list": "deb [arch=arm64,armhf] http://arm s main\n",
        "sources.list.d/x.sources": "Types: deb\nURIs: http://off\nSuites: s\nComponents: main\nEnabled: no\n\n"
        "Types: deb\nURIs: http://both\nSuites: s\nComponents: main\nArchitectures: amd64 arm64\n",
    }
    assert [uri for uri, _, _ in sources(tmp_path, files)] == ["http://both"]
    assert [uri for uri, _, _ in sources(tmp_path, files, "arm64")] == ["http://arm", "http://both"]


def test_reads_options(tmp_path: Path) -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----"
    text = (
        f"Types: deb\nURIs: http://a\nSuites: s\nComponents: main\nSigned-By:\n {key}\n"
        "Check-Valid-Until: no\nSnapshot: 20260101T000000Z\n"
    )
    sources(tmp_path, {"sources.list.d/a.sources": text, "sources.list": "deb [signed-by=/k.gpg] http://b s main\n"})
    listed, embedded = read_sources(tmp_path, "amd64")
    assert listed.signed_by == ("/k.gpg",)
    assert embedded.signed_by[0].splitlines()[:3] == ["-----BEGIN PGP PUBLIC KEY BLOCK-----", "", "mQINBF"]
    assert embedded.check_valid_until is False
    assert embedded.snapshot == "20260101T000000Z"
    assert embedded.where.endswith("a.sources, paragraph 1")


def test_a_flat_archive_has_no_components(tmp_path: Path) -> None:
    sources(tmp_path, {"sources.list": "deb http://a/repo ./\ndeb http://b stable/\n"})
    assert [source.directory for source in read_sources(tmp_path, "amd64")] == ["http://a/repo/.", "http://b/stable"]


def test_no_configuration_is_no_source(tmp_path: Path) -> None:
    assert read_sources(tmp_path / "none", "amd64") == ()


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("sources.list", "\ndeb http://a\n", "sources.list:2"),
        ("sources.list", "nonsense\n", "sources.list:1"),
        ("sources.list", "deb [arch] http://a s main\n", "sources.list:1"),
        ("sources.list", "deb http://a s\n", "sources.list:1"),
        ("sources.list.d/a.sources", "Types: deb\nURIs: http://a\n", "a.sources, paragraph 1"),
    ],
)
def test_what_apt_cannot_read_is_named(tmp_path: Path, name: str, text: str, place: str) -> None:
    with pytest.raises(ManifestError) as caught:
        sources(tmp_path, {name: text})
    assert caught.value.reference == "apt-sources-invalid"
    assert (caught.value.where or "").endswith(place)
