"""From a manifest's installs to entries of the lock, over an archive of one's own."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from breakbulk.ecosystems.deb import Deb, python_of, search
from breakbulk.errors import ManifestError, NotFoundError, PlatformError, ResolutionError
from breakbulk.lock.model import Package
from breakbulk.manifest.schema import DebInstall, Options, Suite

from .conftest import NOW, Archive, Resolver

Make = Callable[..., str]
LATER = NOW + timedelta(minutes=10)


def test_an_entry_of_the_lock(archive: Archive, resolve: Resolver, package: Make) -> None:
    archive.publish("stable", package("web", "1:2.0+b1", depends="lib (>= 1) | other"), package("lib"))
    lib, web = resolve(installs={"server": DebInstall(deb="web")}).packages
    assert (web.file, web.size, len(web.sha256)) == ("pool/main/w/web/web_1:2.0+b1_amd64.deb", 100, 64)
    assert web.purl == "pkg:deb/test/web@1:2.0%2Bb1?arch=amd64&distro=stable"
    assert web.license == "LicenseRef-test-main"
    assert (web.suite, web.dependencies, web.why) == ("stable", ("deb:lib",), ("install.server",))
    assert lib.why == ("deb:web",)


def test_implicit_installs_give_their_own_reason(archive: Archive, resolve: Resolver, package: Make) -> None:
    archive.publish("stable", package("bash"))
    installs = {"@base/bash": DebInstall(deb="bash"), "sh": DebInstall(deb="bash")}
    assert resolve(installs=installs).packages[0].why == ("base", "install.sh")


def test_the_essential_set_on_request(archive: Archive, resolve: Resolver, package: Make) -> None:
    archive.publish("stable", package("a"), package("dpkg", essential="yes", depends="tar"), package("tar"))
    assert resolve.versions("a").keys() == {"a"}
    packages = resolve("a", options={"base": "essential"}).packages
    assert {each.name: each.why for each in packages} == {
        "a": ("install.a",), "dpkg": ("base",), "tar": ("deb:dpkg",)
    }  # fmt: skip


def test_bytecode_is_tagged_where_there_are_modules(archive: Archive, resolve: Resolver, package: Make) -> None:
    archive.publish(
        "stable",
        package("python3", depends="python3.11, libc"),
        package("python3.11", depends="python3.11-minimal"),
        package("python3.11-minimal", depends="libpython3.11-stdlib"),
        package("libpython3.11-stdlib"),
        package("python3-x", depends="libc"),
        package("tool", depends="python3:any | python3, libc"),
        package("libc"),
        package("python3", "0.9", multi_arch="allowed"),
    )
    packages = resolve("python3", "python3-x", "tool").packages
    tags = {each.name: each.python for each in packages}
    assert tags.pop("libc") is None
    assert set(tags.values()) == {"cpython-311"}
    python = python_of(packages)
    assert python is not None
    assert (python.version, python.tag, python.package) == ("3.11", "cpython-311", "deb:python3.11")
    assert python_of([each for each in packages if each.name == "libc"]) is None


class TestRequests:
    def test_a_virtual_name_with_one_provider(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("exim", provides="mta"))
        outcome = resolve("mta")
        assert [each.name for each in outcome.packages] == ["exim"]
        assert outcome.notes == ("exim is installed for mta, which is virtual",)

    def test_a_virtual_name_with_several(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("exim", provides="mta"), package("dma", provides="mta"))
        with pytest.raises(NotFoundError, match="virtual") as caught:
            resolve("mta")
        assert caught.value.reference == "deb-package-unknown"
        assert caught.value.why == "provided by dma, exim"

    def test_an_unknown_name_and_the_nearest(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("redis-server"), package("nginx"))
        with pytest.raises(NotFoundError) as caught:
            resolve("redsi-server")
        assert caught.value.reference == "deb-package-unknown"
        assert caught.value.hint == "did you mean redis-server?"
        assert caught.value.where == "install.redsi-server"

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [("1.1-1", "1.1-1"), ("1.*", "1.1-1"), ("<< 2", "1.1-1"), (">= 1, << 1.1", "1.0-1"), ("1*", "1.1-1")],
    )
    def test_versions(self, archive: Archive, resolve: Resolver, package: Make, wanted: str, found: str) -> None:
        archive.publish("stable", *(package("a", version) for version in ("1.0-1", "1.1-1", "2.0-1")))
        assert resolve.versions(installs={"a": DebInstall(deb="a", version=wanted)}) == {"a": found}

    def test_a_version_that_nobody_has(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "1.9"))
        with pytest.raises(ResolutionError) as caught:
            resolve(installs={"x": DebInstall(deb="a", version=">= 2")})
        assert caught.value.why == "install.x needs a (>= 2), only 1.9 in stable"

    def test_two_installs_that_contradict_each_other(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "1"), package("a", "2"))
        with pytest.raises(ResolutionError) as caught:
            resolve(installs={"x": DebInstall(deb="a", version="1"), "y": DebInstall(deb="a", version="2")})
        assert caught.value.why == "install.x needs a (= 1) and install.y needs a (= 2)"

    def test_what_is_no_version(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a"))
        with pytest.raises(ManifestError) as caught:
            resolve(installs={"x": DebInstall(deb="a", version="~> 2")})
        assert (caught.value.reference, caught.value.where) == ("deb-version-invalid", "install.x.version")

    def test_architectures(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a"))
        assert resolve.versions("a:amd64") == {"a": "1.0"}
        with pytest.raises(NotFoundError):
            resolve("a:i386")
        with pytest.raises(PlatformError):
            resolve("a", system="riscv64-linux")

    def test_another_architecture(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "3", architecture="arm64"), architecture="arm64")
        assert resolve.versions("a", system="aarch64-linux") == {"a": "3"}


class TestSeveralSuites:
    @pytest.fixture(autouse=True)
    def _suites(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "1", depends="lib"), package("lib", "1"), package("b", depends="lib"))
        archive.publish("stable-security", package("lib", "1.1"), below="security")
        archive.publish("next", package("a", "2", depends="lib (>= 2)"), package("lib", "2"))
        archive.publish("next-security", below="security")
        archive.publish("stable-backports", package("a", "1.5~bpo"), NotAutomatic="yes", ButAutomaticUpgrades="yes")
        sources = f"deb {archive.uri} stable main\ndeb {archive.uri}/security stable-security main\n"
        (resolve.settings.apt_directory / "sources.list").write_text(sources)

    def test_security_comes_along(self, resolve: Resolver) -> None:
        packages = {each.name: each for each in resolve("b").packages}
        assert (packages["lib"].version, packages["lib"].suite) == ("1.1", "stable-security")

    def test_a_derived_suite_with_its_companion(self, resolve: Resolver) -> None:
        assert resolve.versions("a", suite="next") == {"a": "2", "lib": "2"}

    def test_a_derived_companion_that_is_not_there_is_told(
        self, archive: Archive, resolve: Resolver, package: Make
    ) -> None:
        archive.publish("odd", package("a", "7"))
        outcome = resolve("a", suite="odd")
        assert [each.version for each in outcome.packages] == ["7"]
        assert outcome.notes == ("odd has no suite odd-security beside it; it goes without",)

    def test_priorities(self, resolve: Resolver) -> None:
        assert resolve.versions("a", suite=("stable", "next"))["a"] == "2"
        assert resolve.versions("a", suite=(Suite(name="stable", priority=900), "next"))["a"] == "1"

    @pytest.mark.parametrize(
        ("suite", "name", "shown"),
        [
            ("stable", "lib", ("1.1", "stable-security")),
            (("stable", "next"), "lib", ("2", "next")),
            (("stable", "stable-backports"), "a", ("1", "stable")),
        ],
    )
    def test_a_search_shows_what_an_install_would_get(
        self, resolve: Resolver, suite: Suite | tuple[Suite, ...], name: str, shown: tuple[str, str]
    ) -> None:
        (found,) = search(resolve.settings, [name], 1, options=Options(suite=suite), clock=lambda: resolve.now)
        assert (found.version, found.suite) == shown
        assert found.summary == f"the package {name}"
        assert resolve.versions(name, suite=suite)[name] == found.version

    def test_backports_only_when_asked_for(self, resolve: Resolver) -> None:
        suites = ("stable", "stable-backports")
        assert resolve.versions("a", suite=suites)["a"] == "1"
        installs = {"a": DebInstall(deb="a", suite="stable-backports")}
        assert resolve.versions(installs=installs)["a"] == "1.5~bpo"

    def test_one_install_from_another_suite_moves_what_it_forces(self, resolve: Resolver) -> None:
        installs = {"a": DebInstall(deb="a", suite="next")}
        assert resolve.versions("b", installs=installs) == {"a": "2", "b": "1.0", "lib": "2"}
        installs = {"a": DebInstall(deb="a", suite="stable-backports")}
        assert resolve.versions("b", installs=installs) == {"a": "1.5~bpo", "b": "1.0", "lib": "1.1"}

    def test_version_and_suite_both_count(self, resolve: Resolver) -> None:
        with pytest.raises(ResolutionError) as caught:
            resolve(installs={"x": DebInstall(deb="a", version=">= 3", suite="next")})
        assert (caught.value.why or "").startswith("install.x needs a (>= 3) from next, only 2 in next")


class TestLocked:
    def locked(self, resolve: Resolver, *names: str) -> tuple[Package, ...]:
        return resolve(*names).packages

    def test_stays_until_it_is_upgraded(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "1", depends="lib"), package("lib", "1"), package("b", "1"))
        locked = self.locked(resolve, "a", "b")
        archive.publish(
            "stable",
            *(package("a", version, depends=f"lib (= {version})") for version in "12"),
            *(package(name, version) for name in ("lib", "b") for version in "12"),
            date=LATER,
        )
        resolve.now += 7200
        names = ("a", "b")
        assert resolve.versions(*names, locked=locked) == {"a": "1", "b": "1", "lib": "1"}
        assert resolve.versions(*names, locked=locked, upgrade=frozenset({"b"})) == {"a": "1", "b": "2", "lib": "1"}
        assert resolve.versions(*names, locked=locked, upgrade=frozenset({"a"})) == {"a": "2", "b": "1", "lib": "2"}
        assert resolve.versions(*names, locked=locked, upgrade=frozenset()) == {"a": "2", "b": "2", "lib": "2"}

    def test_upgrades_by_install_id(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "1"))
        installs = {"server": DebInstall(deb="a")}
        locked = resolve(installs=installs).packages
        archive.publish("stable", package("a", "1"), package("a", "2"), date=LATER)
        assert resolve.versions(installs=installs, locked=locked, upgrade=frozenset({"server"})) == {"a": "2"}

    def test_stays_when_the_index_has_forgotten_it(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "1", depends="lib"), package("lib", "1"))
        locked = self.locked(resolve, "a")
        archive.publish("stable", package("a", "2", depends="lib"), package("lib", "2"), package("c"), date=LATER)
        resolve.now += 7200
        assert resolve("a", locked=locked).packages == locked
        assert resolve.versions("a", "c", locked=locked) == {"a": "1", "c": "1.0", "lib": "1"}

    def test_moves_when_something_new_forces_it(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", "1", depends="lib"), package("lib", "1"))
        locked = self.locked(resolve, "a")
        archive.publish("stable", package("a", "1", depends="lib"), package("a", "2", depends="lib"),
                        package("lib", "2"), package("c", depends="lib (>= 2)"), date=LATER)  # fmt: skip
        resolve.now += 7200
        assert resolve.versions("a", "c", locked=locked) == {"a": "1", "c": "1.0", "lib": "2"}

    def test_what_nothing_needs_any_more_leaves(self, archive: Archive, resolve: Resolver, package: Make) -> None:
        archive.publish("stable", package("a", depends="lib"), package("lib"), package("b"))
        locked = self.locked(resolve, "a", "b")
        assert resolve.versions("b", locked=locked) == {"b": "1.0"}


class TestSnapshots:
    def test_resolves_as_of_a_day_and_finds_the_files_there(
        self, archive: Archive, resolve: Resolver, package: Make
    ) -> None:
        past = NOW - timedelta(days=100)
        snapshots = f"{archive.uri}/past/@SNAPSHOTID@/"
        archive.publish("stable", package("a", "2"), Snapshots=snapshots)
        archive.publish("stable", package("a", "1"), date=past, valid_until=past + timedelta(days=7),
                        below="past/20260222T235959Z")  # fmt: skip
        outcome = resolve("a", options={"snapshot": "2026-02-22"})
        assert [each.version for each in outcome.packages] == ["1"]
        places = [place.url for place in Deb().locate(outcome.packages[0], None, resolve.settings)]
        assert f"{archive.uri}/past/20260222T235959Z/pool/main/a/a/a_1_amd64.deb" in places

    def test_an_archive_without_snapshots_is_taken_as_it_is_and_says_so(
        self, archive: Archive, resolve: Resolver, package: Make
    ) -> None:
        archive.publish("stable", package("a", "2"))
        outcome = resolve("a", options={"snapshot": "2026-02-22"})
        assert [each.version for each in outcome.packages] == ["2"]
        (note,) = outcome.notes
        assert "as of today, not 20260222T235959Z" in note
        assert "Acquire::Snapshots::URI" in note


class TestLocate:
    def entry(self, **fields: Any) -> Package:
        base: dict[str, Any] = {
            "ecosystem": "deb",
            "name": "a",
            "version": "1+b~2",
            "file": "pool/main/a/a_1+b~2_amd64.deb",
            "size": 1,
            "sha256": "0" * 64,
            "purl": "",
            "suite": "stable",
        }
        return Package(**(base | fields))

    def test_every_mirror_of_the_suite_then_its_main_suite(self, resolve: Resolver) -> None:
        lines = [
            "deb http://one/debian stable main", "deb http://two/debian stable main",
            "deb http://one/debian stable-updates main", "deb http://s/security stable-security main",
        ]  # fmt: skip
        (resolve.settings.apt_directory / "sources.list").write_text("\n".join(lines) + "\n")
        path = "pool/main/a/a_1%2Bb~2_amd64.deb"
        places = [place.url for place in Deb().locate(self.entry(), None, resolve.settings)]
        assert places == [f"http://one/debian/{path}", f"http://two/debian/{path}", f"http://s/security/{path}"]
        security = self.entry(suite="stable-security")
        assert next(iter(Deb().locate(security, None, resolve.settings))).url == f"http://s/security/{path}"
        derived = self.entry(suite="next-security")
        assert next(iter(Deb().locate(derived, None, resolve.settings))).url == f"http://s/security/{path}"

    def test_credentials_are_headers_not_addresses(self, resolve: Resolver) -> None:
        (resolve.settings.apt_directory / "sources.list").write_text("deb https://me:secret@one/debian stable main\n")
        place = next(iter(Deb().locate(self.entry(), None, resolve.settings)))
        assert "secret" not in (place.url or "")
        assert place.headers == {"Authorization": "Basic bWU6c2VjcmV0"}

    def test_local_archives_are_paths(self, resolve: Resolver) -> None:
        (resolve.settings.apt_directory / "sources.list").write_text("deb file:///srv/debian stable main\n")
        place = next(iter(Deb().locate(self.entry(), None, resolve.settings)))
        assert place.path == Path("/srv/debian/pool/main/a/a_1+b~2_amd64.deb")


def test_search(archive: Archive, resolve: Resolver, package: Make) -> None:
    archive.publish("stable", package("jq", description="JSON processor"), package("jo", description="JSON writer"))
    settings, clock = resolve.settings, lambda: resolve.now
    found = search(settings, ["json", "processor"], 5, options=Options(suite="stable"), clock=clock)
    assert [(each.name, each.summary, each.suite) for each in found] == [("jq", "JSON processor", "stable")]
    assert [each.name for each in search(settings, ["jo"], 5, options=Options(suite="stable"), clock=clock)] == ["jo"]


def test_equal_requests_give_equal_packages(archive: Archive, resolve: Resolver, package: Make) -> None:
    names = [f"p{number}" for number in range(30)]
    archive.publish("stable", *(package(name, depends="x | y") for name in names), package("y", provides="x"))
    assert resolve(*names).packages == resolve(*reversed(names)).packages
