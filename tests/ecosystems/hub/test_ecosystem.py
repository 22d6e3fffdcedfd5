"""Packages of a hub: which release is taken, what comes along with it, and what becomes of its archive."""

import io
import tarfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.hub import Hub
from breakbulk.ecosystems.hub.catalogue import Artifact, Release, matches, newest
from breakbulk.ecosystems.hub.ecosystem import check_pythons
from breakbulk.ecosystems.interface import Request
from breakbulk.ecosystems.resolving import ecosystem_of, resolve
from breakbulk.errors import NotFoundError, ResolutionError
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.reading import parse_manifest
from breakbulk.manifest.schema import CatalogInstall, DebInstall, Options
from breakbulk.reporting import SILENT

SYSTEM = "x86_64-linux"


class Shelf:
    """A catalogue of these releases."""

    def __init__(self, *releases: Release) -> None:
        self._releases = releases

    def releases(self, package: str) -> tuple[Release, ...]:
        found = tuple(release for release in self._releases if release.package == package)
        if not found:
            raise NotFoundError("there is none", identifier="package-unknown")
        return found

    def fetch(self, package: Package) -> Path:
        return Path("/brought") / package.sha256


def artifact(mark: str = "0", **changes) -> Artifact:
    given = {"system": SYSTEM, "file": "tool.tar.zst", "sha256": mark[:1] * 64, "size": 1, "tree": "1" * 64}
    return Artifact(**given | {"destination": "/opt/tool"} | changes)


def release(version: str, *artifacts: Artifact, package: str = "ada/tool", **more) -> Release:
    return Release(package=package, version=version, artifacts=artifacts or (artifact(version[-1]),), **more)


def asked(*releases: Release, version: str | None = None, pkg_path: str = "ada/tool", **changes):
    request = Request(
        system=SYSTEM,
        installs={"t": CatalogInstall(pkg_path=pkg_path, version=version)},
        options=Options(),
        directory=Path(),
        catalogue=Shelf(*releases),
    )
    return Hub().resolve(msgspec.structs.replace(request, **changes), None, SILENT)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (None, "2.0"),
        ("*", "2.0"),
        ("1", "1.10.1"),
        ("1.1", "1.1"),
        ("1.1.*", "1.1.3"),
        ("1.10", "1.10.1"),
        ("1.10.1", "1.10.1"),
    ],
)
def test_the_version_itself_is_taken_else_the_highest_that_begins_with_it(wanted, taken):
    releases = [release(version) for version in ("2.0", "2.0rc1", "1.1.3", "1.1", "1.10.1", "1.9", "0.9")]
    (package,) = asked(*releases, version=wanted).packages
    assert package.version == taken


def test_of_one_version_what_was_published_last_is_taken():
    (package,) = asked(release("1.0", artifact("a")), release("1.0", artifact("b"))).packages
    assert package.sha256 == "b" * 64


@given(st.lists(st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3}){0,3}\Z"), min_size=1, max_size=8))
def test_the_newest_is_the_highest_of_numbers(versions):
    found = newest(None, [release(version, artifact("a")) for version in versions])
    strip = [tuple(int(part) for part in version.split(".")) for version in versions]
    assert tuple(int(part) for part in found.version.split(".")) == max(strip)


@given(st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3}){0,3}\Z"), st.from_regex(r"\A[0-9]{1,3}\Z"))
def test_a_version_matches_its_own_beginnings_and_no_longer_number(version, digits):
    assert matches(version, version)
    assert matches(version, f"{version}.{digits}")
    assert matches(f"{version}.*", f"{version}.{digits}")
    assert not matches(version, f"{version}{digits}")


def test_what_is_locked_stays_until_it_is_upgraded():
    old, new = release("1.0", artifact("a")), release("1.1", artifact("b"))
    locked = asked(old).packages
    assert asked(old, new, locked=locked).packages == locked
    for upgrade in (frozenset(), frozenset({"t"}), frozenset({"tool"}), frozenset({"ada/tool"})):
        (moved,) = asked(old, new, locked=locked, upgrade=upgrade).packages
        assert moved.version == "1.1"
    (kept,) = asked(old, new, locked=locked, upgrade=frozenset({"other"})).packages
    assert kept.version == "1.0"
    (forced,) = asked(old, new, locked=locked, version="1.1").packages
    assert forced.version == "1.1"


def test_what_a_package_needs_is_resolved_with_the_environment():
    needed = release("3", artifact("c"), package="ada/base", runtime={"z": {"deb": "zlib1g"}})
    tool = release("1", artifact("a"), runtime={"jq": {"deb": "jq"}, "base": {"pkg-path": "ada/base", "version": "3"}})
    found = asked(tool, needed)
    assert found.installs == {"@hub:tool/jq": DebInstall(deb="jq"), "@hub:base/z": DebInstall(deb="zlib1g")}
    assert {package.name: (package.why, package.source) for package in found.packages} == {
        "tool": (("install.t",), "t"),
        "base": (("hub:tool",), None),
    }


def test_levels_of_cpu_are_variants_of_one_package():
    levels = [artifact("c", cpu="x86_64-v3"), artifact("b", cpu="x86_64-v2"), artifact("d", cpu="x86_64-v4")]
    (package,) = asked(release("1", *levels)).packages
    assert (package.cpu, package.sha256) == ("x86_64-v2", "b" * 64)
    assert [(each.cpu, each.sha256[0]) for each in package.variants] == [("x86_64-v3", "c"), ("x86_64-v4", "d")]


@pytest.mark.parametrize(
    ("releases", "changes", "reference"),
    [
        ([], {}, "package-unknown"),
        ([release("1")], {"version": "2"}, "package-version-unknown"),
        ([release("1")], {"system": "aarch64-linux"}, "package-system-missing"),
        (
            [
                release("1", runtime={"x": {"pkg-path": "bob/tool"}}),
                release("1", package="bob/tool"),
            ],
            {},
            "package-name-collision",
        ),
        ([release("1")], {"catalogue": None}, "hub-absent"),
    ],
)
def test_what_cannot_be_is_named(releases, changes, reference):
    with pytest.raises((NotFoundError, ResolutionError)) as refused:
        asked(*releases, **changes)
    assert refused.value.reference == reference


def test_libraries_of_another_suite_are_told_of():
    assert "trixie" in asked(release("1", suite="trixie")).notes[0]
    assert asked(release("1", suite="bookworm")).notes == ()


@pytest.mark.parametrize("python", [None, Python(version="3.13", tag="cpython-313", package="deb:python3.13")])
def test_a_package_for_another_python_is_refused(python):
    packages = asked(release("1", artifact("a", python="cpython-311"))).packages
    with pytest.raises(ResolutionError) as refused:
        check_pythons(packages, python)
    assert "Python 3.11" in refused.value.message
    check_pythons(packages, Python(version="3.11", tag="cpython-311", package="deb:python3.11"))


def test_only_an_owner_makes_it_a_package_of_a_hub():
    assert ecosystem_of(CatalogInstall(pkg_path="ada/tool")) == "hub"
    assert ecosystem_of(CatalogInstall(pkg_path="jq")) == "nix"
    assert ecosystem_of(CatalogInstall(pkg_path=("python3Packages", "x"))) == "nix"


def test_a_lock_holds_the_package(settings, tmp_path):
    text = f'[install]\nt.pkg-path = "ada/tool"\n[options]\nbase = "none"\nsystems = ["{SYSTEM}"]\n'
    manifest = parse_manifest(text, "breakbulk.toml")
    lock = resolve(manifest, tmp_path, settings, catalogue=Shelf(release("1", license="MIT"))).lock
    (package,) = lock.systems[SYSTEM].packages
    assert (package.id, package.purl, package.license) == ("hub:tool", "pkg:generic/ada/tool@1", "MIT")


def test_an_archive_is_brought_where_it_was_not_built(settings):
    (package,) = asked(release("1", artifact("a"))).packages
    (brought,) = Hub(Shelf()).locate(package, None, settings)
    assert brought.path == Path("/brought") / package.sha256
    built = settings.store / "archives" / package.sha256
    built.parent.mkdir(parents=True)
    built.touch()
    (here,) = Hub(Shelf()).locate(package, None, settings)
    assert here.path == built


def test_an_archive_is_unpacked_at_its_place_and_its_python_compiled(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("lib/python3.11/site-packages/m.py", "lib/python3.12/m.py", "share/script.py"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    archive = tmp_path / "archive"
    archive.write_bytes(file.getvalue())
    into = tmp_path / "tree"
    into.mkdir()
    (package,) = asked(release("1", artifact("a", python="cpython-311"))).packages
    unpacked = Hub().unpack(archive, package, None, into)
    assert (into / "opt/tool/share/script.py").is_file()
    assert unpacked.bytecode == ("opt/tool/lib/python3.11/site-packages/m.py",)
