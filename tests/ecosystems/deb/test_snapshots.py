"""Moments, and where the archive of a moment is."""

from pathlib import Path

import msgspec
import pytest

from breakbulk.ecosystems.deb.configuration import Configuration
from breakbulk.ecosystems.deb.release import Release
from breakbulk.ecosystems.deb.snapshots import (
    parse_snapshot,
    remember_snapshot,
    remembered_snapshots,
    snapshot_of,
    snapshot_source,
)
from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import ManifestError

SOURCE = Source(uri="http://d/debian", suite="stable", components=("main",))
LIVE = Release(
    origin="Debian", label="Debian", suite="stable", codename="stable", date=0, valid_until=None, by_hash=True,
    not_automatic=False, automatic_upgrades=False, snapshots=None, has_all_indices=False, files={},
)  # fmt: skip
SCOPE = "Acquire::Snapshots::URI"


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("2026-01-31", "20260131T235959Z"),
        ("2026-01-31T12:00:00Z", "20260131T120000Z"),
        ("2026-01-31T12:00:00+02:00", "20260131T100000Z"),
        ("20260131T120000Z", "20260131T120000Z"),
    ],
)
def test_reads_dates_and_ids(text: str, identifier: str) -> None:
    assert parse_snapshot(text).identifier == identifier


def test_refuses_what_is_no_date() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_snapshot("last week")
    assert caught.value.reference == "snapshot-invalid"


@pytest.mark.parametrize(
    ("release", "values", "uri"),
    [
        (msgspec.structs.replace(LIVE, snapshots="http://s/@SNAPSHOTID@/"), {}, "http://s/20260131T235959Z"),
        (LIVE, {f"{SCOPE}::Label::Debian": "http://l/@SNAPSHOTID@"}, "http://l/20260131T235959Z"),
        (LIVE, {f"{SCOPE}::Host::d": "http://h/@SNAPSHOTID@"}, "http://h/20260131T235959Z"),
        (
            msgspec.structs.replace(LIVE, snapshots="http://s/@SNAPSHOTID@/"),
            {f"{SCOPE}::Override::Label::Debian": "http://o/@SNAPSHOTID@/x"},
            "http://o/20260131T235959Z/x",
        ),
    ],
)
def test_asks_the_archive_and_the_configuration(release: Release, values: dict[str, str], uri: str) -> None:
    snapshot = parse_snapshot("2026-01-31")
    assert snapshot_source(SOURCE, release, snapshot, Configuration(values)).uri == uri


def test_says_how_to_configure_what_nobody_knows() -> None:
    with pytest.raises(ManifestError) as caught:
        snapshot_source(SOURCE, LIVE, parse_snapshot("2026-01-31"), Configuration({}))
    assert caught.value.reference == "snapshot-unavailable"
    assert "Acquire::Snapshots::URI::Label::Debian" in (caught.value.hint or "")


def test_a_source_may_name_its_own_moment() -> None:
    fixed = msgspec.structs.replace(SOURCE, snapshot="20250101T000000Z")
    assert snapshot_of(fixed, None) == parse_snapshot("20250101T000000Z")
    assert snapshot_of(fixed, parse_snapshot("2026-01-31")) == parse_snapshot("2026-01-31")
    assert snapshot_of(msgspec.structs.replace(SOURCE, snapshot="enable"), None) is None


def test_remembers_where_packages_of_the_past_are(tmp_path: Path) -> None:
    for day in ("a", "b", "a"):
        remember_snapshot(tmp_path, msgspec.structs.replace(SOURCE, uri=f"http://s/{day}"))
    assert [source.uri for source in remembered_snapshots(tmp_path, "stable")] == ["http://s/b", "http://s/a"]
    assert list(remembered_snapshots(tmp_path, "other")) == []
