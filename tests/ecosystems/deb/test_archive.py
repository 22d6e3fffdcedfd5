"""Every way in which a mirror may lie, break or be silent has its own error; nothing unproven is used."""

import bz2
import gzip
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from pysequoia import SignatureMode, Tsk, sign

from breakbulk.ecosystems.deb.decompression import decompressed
from breakbulk.errors import BreakbulkError, IntegrityError, NetworkError, NotFoundError, StoreError

from .conftest import NOW, Archive, Resolver

Package = Callable[..., str]
DAY = timedelta(days=1)


def refused(resolve: Resolver, *names: str, **more: Any) -> BreakbulkError:
    with pytest.raises(BreakbulkError) as caught:
        resolve(*names, **more)
    error = caught.value
    assert error.where or error.why, "says where or why"
    return error


def no_leftovers(resolve: Resolver) -> bool:
    """Say whether the cache holds nothing half-made: no temporary file, no index."""
    files = [
        path for path in resolve.settings.cache.rglob("*") if path.is_file() and path.name not in {"lock", "state"}
    ]
    return not files


class TestSignatures:
    def test_a_changed_text(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        release = archive.publish("stable", package("a")) / "InRelease"
        release.write_bytes(release.read_bytes().replace(b"Label: Test", b"Label: Pest"))
        assert refused(resolve, "a").reference == "deb-signature-invalid"
        assert no_leftovers(resolve)

    def test_an_unknown_key(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"), key=Tsk.generate("Somebody <else@example.org>"))
        assert refused(resolve, "a").reference == "deb-key-missing"

    def test_a_key_that_the_source_does_not_name(
        self, archive: Archive, resolve: Resolver, package: Package, tmp_path: Path
    ) -> None:
        other = Tsk.generate("Other <other@example.org>").extract_certificate()
        (tmp_path / "other.asc").write_text(str(other))
        sources = resolve.settings.apt_directory / "sources.list"
        archive.publish("stable", package("a"))
        for signed_by in (str(tmp_path / "other.asc"), other.fingerprint):
            sources.write_text(f"deb [signed-by={signed_by}] {archive.uri} stable main\n")
            assert refused(resolve, "a").reference == "deb-key-missing"

    def test_the_key_that_the_source_names(
        self, archive: Archive, resolve: Resolver, package: Package, tmp_path: Path
    ) -> None:
        certificate = archive.key.extract_certificate()
        (tmp_path / "own.gpg").write_bytes(bytes(certificate))
        sources = resolve.settings.apt_directory / "sources.list"
        archive.publish("stable", package("a"))
        for signed_by in (str(tmp_path / "own.gpg"), certificate.fingerprint, certificate.fingerprint.upper() + "!"):
            sources.write_text(f"deb [signed-by={signed_by}] {archive.uri} stable main\n")
            assert resolve.versions("a") == {"a": "1.0"}

    def test_a_key_inside_the_source(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        apt = resolve.settings.apt_directory
        key = "\n".join(f" {line or '.'}" for line in str(archive.key.extract_certificate()).splitlines())
        (apt / "trusted.gpg.d/archive.asc").unlink()
        (apt / "sources.list").unlink()
        text = f"Types: deb\nURIs: {archive.uri}\nSuites: stable\nComponents: main\nSigned-By:\n{key}\n"
        (apt / "sources.list.d/own.sources").write_text(text)
        archive.publish("stable", package("a"))
        assert resolve.versions("a") == {"a": "1.0"}

    def test_a_keyring_that_is_not_there(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"))
        sources = resolve.settings.apt_directory / "sources.list"
        sources.write_text(f"deb [signed-by=/none.gpg] {archive.uri} stable main\n")
        assert refused(resolve, "a").reference == "deb-key-missing"

    def test_no_signature(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        (archive.publish("stable", package("a")) / "InRelease").unlink()
        assert refused(resolve, "a").reference == "deb-signature-missing"

    def test_no_exemption_by_trusted(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        (archive.publish("stable", package("a")) / "InRelease").unlink()
        (resolve.settings.apt_directory / "sources.list").write_text(f"deb [trusted=yes] {archive.uri} stable main\n")
        assert refused(resolve, "a").reference == "deb-signature-missing"

    def test_a_detached_signature(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        directory = archive.publish("stable", package("a"))
        (directory / "InRelease").unlink()
        text = (directory / "Release").read_bytes()
        (directory / "Release.gpg").write_bytes(sign(archive.key.signer(), text, mode=SignatureMode.DETACHED))
        assert resolve.versions("a") == {"a": "1.0"}
        (directory / "Release").write_bytes(text + b"X: y\n")
        resolve.now += 7200
        assert refused(resolve, "a").reference == "deb-signature-invalid"

    def test_text_outside_the_signature_is_not_read(
        self, archive: Archive, resolve: Resolver, package: Package
    ) -> None:
        release = archive.publish("stable", package("a")) / "InRelease"
        digest = hashlib.sha256(b"").hexdigest()
        release.write_bytes(
            b"Date: x\nSHA256:\n " + digest.encode() + b" 0 main/binary-amd64/Packages\n\n" + release.read_bytes()
        )
        assert resolve.versions("a") == {"a": "1.0"}


class TestTime:
    def test_expired(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"), date=NOW - 9 * DAY, valid_until=NOW - DAY)
        assert refused(resolve, "a").reference == "deb-release-expired"

    def test_expired_since_it_was_fetched(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"), valid_until=NOW + timedelta(minutes=30))
        assert resolve.versions("a") == {"a": "1.0"}
        resolve.now += 1800
        assert refused(resolve, "a").reference == "deb-release-expired"

    def test_expired_and_the_mirror_is_down(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"), valid_until=NOW + DAY)
        resolve("a")
        archive.server.broken["InRelease"] = "503"
        resolve.now += 2 * DAY.total_seconds()
        assert refused(resolve, "a").reference == "deb-release-expired"

    def test_expiry_that_the_source_or_the_configuration_forgives_is_told(
        self, archive: Archive, resolve: Resolver, package: Package
    ) -> None:
        archive.publish("stable", package("a"), date=NOW - 9 * DAY, valid_until=NOW - DAY)
        apt = resolve.settings.apt_directory
        (apt / "apt.conf").write_text('Acquire::Check-Valid-Until "no";')
        for _ in ("fetched", "remembered"):
            assert "expired" in resolve("a").notes[0]
        (apt / "sources.list").write_text(f"deb [check-valid-until=yes] {archive.uri} stable main\n")
        assert refused(resolve, "a").reference == "deb-release-expired"

    def test_replayed(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a", "2"))
        resolve("a")
        archive.publish("stable", package("a", "1"), date=NOW - DAY)
        resolve.now += 7200
        assert refused(resolve, "a").reference == "deb-release-replayed"
        archive.publish("stable", package("a", "3"), date=NOW + timedelta(hours=1))
        assert resolve.versions("a") == {"a": "3"}

    def test_a_suite_that_is_withheld_does_not_open_the_way_for_a_replay(
        self, archive: Archive, resolve: Resolver, package: Package
    ) -> None:
        archive.publish("stable", package("a", "2"))
        resolve("a")
        resolve.now += 7200
        archive.server.broken["Release"] = "404"
        assert refused(resolve, "a").reference == "deb-suite-gone"
        archive.server.broken.clear()
        archive.publish("stable", package("a", "1"), date=NOW - DAY)
        assert refused(resolve, "a").reference == "deb-release-replayed"

    def test_of_the_future(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"), date=NOW + DAY)
        assert refused(resolve, "a").reference == "deb-release-not-yet-valid"

    def test_another_suite_under_this_name(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"), Suite="oldstable", Codename="old")
        assert refused(resolve, "a").reference == "deb-release-mismatch"


class TestIndices:
    @pytest.mark.parametrize("by_hash", [True, False])
    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda body: body[:-7], id="truncated"),
            pytest.param(lambda body: body[:-1] + b"x", id="changed"),
            pytest.param(lambda body: body + b"x", id="longer"),
            pytest.param(lambda _: b"", id="empty"),
        ],
    )
    def test_not_what_the_release_promises(
        self,
        archive: Archive,
        resolve: Resolver,
        package: Package,
        damage: Callable[[bytes], bytes],
        by_hash: bool,
    ) -> None:
        def rot(folder: Path) -> None:
            for path in [*folder.glob("Packages.xz"), *folder.glob("by-hash/SHA256/*")]:
                path.write_bytes(damage(path.read_bytes()))

        archive.publish("stable", package("a"), damage=rot, by_hash=by_hash)
        assert refused(resolve, "a").reference == "deb-index-mismatch"
        assert no_leftovers(resolve)
        archive.publish("stable", package("a"), by_hash=by_hash)
        assert resolve.versions("a") == {"a": "1.0"}

    def test_another_text_of_the_same_length(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        def exchange(folder: Path) -> None:
            for path in [folder / "Packages", *folder.glob("by-hash/SHA256/*")]:
                path.write_bytes(path.read_bytes().replace(b"Size: 100", b"Size: 999"))

        archive.publish("stable", package("a"), damage=exchange, compressed=False)
        assert refused(resolve, "a").reference == "deb-index-mismatch"
        assert no_leftovers(resolve)

    @pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
    def test_every_compression_is_read_and_none_past_its_size(self, suffix: str) -> None:
        text = b"x" * 100_000
        packed = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}[suffix](text)
        assert decompressed(packed, f"Packages{suffix}", limit=len(text)) == text
        assert len(decompressed(packed, f"Packages{suffix}", limit=10)) == 11
        with pytest.raises(IntegrityError):
            decompressed(b"nonsense", f"Packages{suffix}", limit=10)

    def test_the_plain_path_where_by_hash_is_gone(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"))
        archive.server.broken["by-hash"] = "404"
        assert resolve.versions("a") == {"a": "1.0"}

    def test_another_compression_where_the_best_is_gone(
        self, archive: Archive, resolve: Resolver, package: Package
    ) -> None:
        archive.publish("stable", package("a"), by_hash=False)
        archive.server.broken["Packages.xz"] = "404"
        assert resolve.versions("a") == {"a": "1.0"}

    def test_gone_altogether(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"))
        archive.server.broken["Packages"] = archive.server.broken["by-hash"] = "404"
        assert refused(resolve, "a").reference == "deb-index-mismatch"

    @pytest.mark.parametrize("fault", ["cut", "drop", "503"])
    def test_down_half_way(self, archive: Archive, resolve: Resolver, package: Package, fault: str) -> None:
        archive.publish("stable", *(package(f"p{number}") for number in range(50)))
        archive.server.broken["by-hash"] = fault
        error = refused(resolve, "p1")
        assert isinstance(error, NetworkError)
        assert error.retryable
        assert no_leftovers(resolve)
        archive.server.broken.clear()
        assert resolve.versions("p1") == {"p1": "1.0"}

    def test_a_component_that_is_not_there(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"))
        (resolve.settings.apt_directory / "sources.list").write_text(f"deb {archive.uri} stable main contrib\n")
        assert refused(resolve, "a").reference == "deb-component-unknown"

    def test_a_suite_that_is_not_there(self, resolve: Resolver) -> None:
        error = refused(resolve, "a")
        assert isinstance(error, NotFoundError)
        assert error.reference == "deb-suite-unknown"


class TestFreshness:
    def test_asks_again_after_an_hour_and_only_for_what_is_new(
        self, archive: Archive, resolve: Resolver, package: Package
    ) -> None:
        archive.publish("stable", package("a"))
        resolve("a")
        asked = archive.server.requests
        asked.clear()
        resolve("a")
        assert asked == []
        resolve.now += 3601
        resolve("a")
        assert asked == ["/dists/stable/InRelease"]
        archive.publish("stable", package("a", "2"), date=NOW + timedelta(minutes=5))
        resolve.now += 3601
        assert resolve.versions("a") == {"a": "2"}

    def test_an_upgrade_always_asks(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"))
        resolve("a")
        archive.publish("stable", package("a", "2"), date=NOW + timedelta(seconds=5))
        assert resolve.versions("a") == {"a": "1.0"}
        assert resolve.versions("a", upgrade=frozenset()) == {"a": "2"}

    @pytest.mark.parametrize("fault", ["drop", "503", "403"])
    def test_without_network_what_was_accepted_is_used(
        self, archive: Archive, resolve: Resolver, package: Package, fault: str
    ) -> None:
        archive.publish("stable", package("a"))
        resolve("a")
        resolve.now += 7200
        archive.server.broken["InRelease"] = fault
        outcome = resolve("a")
        assert [each.version for each in outcome.packages] == ["1.0"]
        assert "cannot be reached" in outcome.notes[0]

    def test_without_network_and_without_memory(self, archive: Archive, resolve: Resolver) -> None:
        archive.server.broken["InRelease"] = "drop"
        assert refused(resolve, "a").reference == "deb-mirror-unreachable"

    def test_a_refusal_is_not_tried_again(self, archive: Archive, resolve: Resolver, machine: Any) -> None:
        resolve.settings = replace(machine, retries=5)
        archive.server.broken["InRelease"] = "403"
        error = refused(resolve, "a")
        assert (error.reference, error.retryable) == ("deb-mirror-refuses", False)
        assert len(archive.server.requests) == 1

    def test_damaged_memory_is_replaced(self, archive: Archive, resolve: Resolver, package: Package) -> None:
        archive.publish("stable", package("a"))
        resolve("a")
        for path in resolve.settings.cache.rglob("state"):
            path.write_bytes(b"{")
        assert "could not be read" in resolve("a").notes[0]
        for path in (resolve.settings.cache / "deb/indices").iterdir():
            path.write_bytes(b"not a database")
        assert resolve.versions("a") == {"a": "1.0"}


def test_a_cache_that_cannot_be_written(archive: Archive, resolve: Resolver, tmp_path: Path, package: Package) -> None:
    archive.publish("stable", package("a"))
    (tmp_path / "file").write_text("")
    resolve.settings = replace(resolve.settings, cache=tmp_path / "file")
    error = refused(resolve, "a")
    assert isinstance(error, StoreError)
    assert error.reference == "cache-unwritable"


def test_credentials_are_sent_and_never_shown(archive: Archive, resolve: Resolver, package: Package) -> None:
    archive.publish("stable", package("a"))
    host = archive.uri.removeprefix("http://")
    (resolve.settings.apt_directory / "auth.conf").write_text(f"machine {archive.uri} login me password s3cret\n")
    resolve("a")
    assert archive.server.authorisations[0] == "Basic bWU6czNjcmV0"
    sources = resolve.settings.apt_directory / "sources.list"
    sources.write_text(f"deb http://me:s3cret@{host} stable main\n")
    archive.server.broken["InRelease"] = "403"
    error = refused(resolve, "a")
    assert "s3cret" not in str(error)


def test_a_local_archive(archive: Archive, resolve: Resolver, package: Package) -> None:
    archive.publish("stable", package("a"))
    (resolve.settings.apt_directory / "sources.list").write_text(f"deb file:{archive.root} stable main\n")
    assert resolve.versions("a") == {"a": "1.0"}
    assert archive.server.requests == []


def test_old_indices_are_forgotten(archive: Archive, resolve: Resolver, package: Package) -> None:
    for day in range(7):
        archive.publish("stable", package("a", str(day)), date=NOW + day * DAY)
        resolve.now = (NOW + day * DAY).timestamp() + 60
        resolve("a")
    assert len(os.listdir(resolve.settings.cache / "deb/indices")) == 4


def test_an_index_as_the_release_of_long_ago_has_it_is_integrity(
    archive: Archive, resolve: Resolver, package: Package
) -> None:
    directory = archive.publish("stable", package("a"))
    text = b"Suite: stable\nDate: Mon, 01 Jun 2026 12:00:00 UTC\nMD5Sum:\n"
    (directory / "InRelease").write_bytes(sign(archive.key.signer(), text, mode=SignatureMode.CLEAR))
    error = refused(resolve, "a")
    assert isinstance(error, IntegrityError)
    assert error.reference == "deb-release-invalid"
