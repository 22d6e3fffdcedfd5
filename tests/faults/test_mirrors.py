"""Mirrors and indices that are down, break off, lie, or are not signed as they should be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import fault_content
import pytest
from fault_content import GREETING, SUITE, WORDS, deb, pool
from fault_world import Fault, World, cut, dropped, instead, short, status

from breakbulk.store.removal import remove_tree

NOW = datetime.now(UTC)
OTHER = deb("words", {"usr/share/words/words": WORDS[::-1]})


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (dropped, "download-failed"),
        (cut, "download-failed"),
        (status(503), "download-failed"),
        (status(404), "download-failed"),
        (short, "download-truncated"),
        (instead(b"<html>please log in</html>"), "download-truncated"),
        (instead(OTHER), "digest-mismatch"),
        (instead(OTHER + b"and more"), "digest-mismatch"),
    ],
    ids=["dropped", "cut", "503", "404", "short", "another page", "another package", "longer"],
)
def test_a_package_that_does_not_come_as_locked(world: World, fault: Fault, error: str) -> None:
    world.locked("deb:greet", "deb:part1")
    world.site.faults["words_1.0"] = fault
    refused = world.fails("realise", error=error)
    assert refused["where"] == "deb:words"
    assert not list((world.store / "packages").glob("*-words-*"))
    world.site.faults.clear()
    world.completes("greet", "words", "part1")


def test_a_broken_download_goes_on_where_it_ended(world: World) -> None:
    world.locked("deb:words")
    world.site.faults["words_1.0"] = cut
    world.fails("realise", error="download-failed")
    world.site.faults.clear()
    size = len(world.site.files[f"debian/{pool('words')}"])
    assert world.document("realise")["bytes_downloaded"] <= size // 2 + 1
    world.completes("words")


@pytest.mark.parametrize(
    ("part", "fault", "error"),
    [
        ("InRelease", dropped, "deb-mirror-unreachable"),
        ("InRelease", cut, "deb-mirror-unreachable"),
        ("InRelease", status(503), "deb-mirror-busy"),
        ("InRelease", status(403), "deb-mirror-refuses"),
        ("InRelease", instead(b"<html>please log in</html>"), "deb-signature-invalid"),
        ("dists", status(404), "deb-suite-unknown"),
        ("Packages", dropped, "deb-mirror-unreachable"),
        ("Packages", cut, "deb-mirror-unreachable"),
        ("Packages", short, "deb-index-mismatch"),
        ("Packages", instead(b"x" * 100), "deb-index-mismatch"),
        ("Packages", status(404), "deb-index-mismatch"),
    ],
)
def test_an_index_of_debian_that_is_down_half_way(world: World, part: str, fault: Fault, error: str) -> None:
    world.manifest("deb:words")
    world.site.faults[part] = fault
    world.fails("lock", error=error)
    assert not world.lock.exists()
    world.site.faults.clear()
    world.completes("words")


@pytest.mark.parametrize("fault", [dropped, cut, status(503)], ids=["dropped", "cut", "503"])
@pytest.mark.parametrize("part", ["simple/phrase", "files/phrase"])
def test_an_index_of_wheels_that_is_down_half_way(world: World, part: str, fault: Fault) -> None:
    world.manifest("pypi:greeting")
    world.site.faults[part] = fault
    world.fails("lock", error="index-unreachable")
    assert not world.lock.exists()
    world.site.faults.clear()
    assert {change["id"] for change in world.document("lock")["difference"]["added"]} >= {
        "pypi:greeting",
        "pypi:phrase",
    }


@pytest.mark.integration
def test_a_wheel_that_is_another_one(world: World) -> None:
    world.manifest("pypi:greeting")
    world.document("lock")
    remove_tree(world.cache / "archives")  # small wheels are kept when they are locked
    world.site.faults["files/phrase"] = instead(
        fault_content.wheel("phrase", {"phrase.py": f"text = {GREETING[::-1]!r}\n".encode()})[1]
    )
    refused = world.fails("realise", error="digest-mismatch")
    assert refused["where"] == "pypi:phrase"
    world.site.faults.clear()
    world.completes("greeting", "phrase")
    path = f"/usr/local/lib/python{fault_content.PYTHON}/dist-packages"
    code = f"import sys; sys.path.append({path!r}); import greeting"
    assert world.call("run", "python3", "-c", code) == f"{fault_content.GREETING}\n"


def test_a_proxy_that_is_down(world: World) -> None:
    world.manifest("deb:words")
    world.environment["http_proxy"] = "http://127.0.0.1:9"
    world.fails("lock", error="deb-mirror-unreachable")
    world.environment.clear()
    world.document("lock")
    world.environment["http_proxy"] = "http://127.0.0.1:9"
    world.fails("realise", error="download-failed")
    world.environment.clear()
    world.completes("words")


def test_a_proxy_that_is_down_before_an_index_of_wheels(world: World) -> None:
    world.manifest("pypi:greeting")
    world.environment |= {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    world.site.faults["simple"] = dropped
    world.fails("lock", error="deb-mirror-unreachable")
    assert world.site.asked == []


class TestSignatures:
    """A Debian archive that is not to be believed: nothing is locked, nothing is kept of it."""

    @pytest.fixture(autouse=True)
    def _wants_words(self, world: World) -> None:
        world.manifest("deb:words")

    def refused(self, world: World, error: str, *words: str) -> None:
        before = world.lock.read_bytes() if world.lock.exists() else None
        world.fails("lock", *words, error=error)
        assert (world.lock.read_bytes() if world.lock.exists() else None) == before
        assert [path for path in world.site.asked if "pool" in path] == []

    def test_of_another_key(self, world: World, debs: Any, files: dict[str, bytes]) -> None:
        world.site.files |= fault_content.signed_archive(debs, fault_content.new_key())
        self.refused(world, "deb-key-missing")
        world.site.files |= files
        world.completes("words")

    def test_of_another_text(self, world: World, files: dict[str, bytes]) -> None:
        path = f"debian/dists/{SUITE}/InRelease"
        world.site.files[path] = files[path].replace(b"Origin: Test", b"Origin: Best")
        self.refused(world, "deb-signature-invalid")
        world.site.files |= files
        world.completes("words")

    def test_none(self, world: World, files: dict[str, bytes]) -> None:
        path = f"debian/dists/{SUITE}/InRelease"
        text = files[path].partition(b"\n\n")[2].partition(b"-----BEGIN PGP SIGNATURE")[0]
        world.site.files |= {path.replace("InRelease", "Release"): text}
        del world.site.files[path]
        self.refused(world, "deb-signature-missing")
        world.site.files |= files
        world.completes("words")

    def test_expired(self, world: World, debs: Any, key: Any, files: dict[str, bytes]) -> None:
        dates = {"date": NOW - timedelta(days=9), "valid_until": NOW - timedelta(days=2)}
        world.site.files |= fault_content.signed_archive(debs, key, **dates)
        self.refused(world, "deb-release-expired")
        world.site.files |= files
        world.completes("words")

    def test_of_a_date_that_the_clock_has_not_reached(
        self, world: World, debs: Any, key: Any, files: dict[str, bytes]
    ) -> None:
        world.site.files |= fault_content.signed_archive(debs, key, date=NOW + timedelta(days=2))
        self.refused(world, "deb-release-not-yet-valid")
        world.site.files |= files
        world.completes("words")

    def test_replayed(self, world: World, debs: Any, key: Any, files: dict[str, bytes]) -> None:
        world.document("lock")
        world.site.files |= fault_content.signed_archive(debs, key, date=NOW - timedelta(days=2))
        self.refused(world, "deb-release-replayed", "--upgrade")
        world.site.files |= files
        world.document("lock", "--upgrade")
        world.completes("words")

    def test_without_a_keyring(self, world: World) -> None:
        keyring = world.apt / "trusted.gpg.d/archive.asc"
        certificate = keyring.read_text()
        keyring.unlink()
        self.refused(world, "deb-key-missing")
        world.trust(certificate)
        world.completes("words")

    def test_without_sources(self, world: World) -> None:
        sources = world.apt / "sources.list"
        line = sources.read_text()
        sources.unlink()
        self.refused(world, "deb-sources-missing")
        sources.write_text(line)
        world.completes("words")
