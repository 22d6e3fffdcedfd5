"""Mirrors, collections and checks of hubs on a real S3, where times have whole seconds."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from changes import ENVIRONMENT, blob
from s3_server import S3Server
from stocked import push_with_package, put

from breakbulk.hub.checking import check_hub
from breakbulk.hub.collection import collect_hub
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.mirror import mirror
from breakbulk.hub.names import parse_reference
from breakbulk.hub.opening import open_hub
from breakbulk.settings import Settings

pytestmark = pytest.mark.integration
NOW = timedelta(0)


@pytest.fixture
def at_s3(s3_server: S3Server, settings: Settings, tmp_path: Path) -> Settings:
    return replace(s3_server.settings(settings), cache=tmp_path / "cache")


@pytest.fixture
def bucket(at_s3: Settings, s3_server: S3Server) -> Hub:
    return open_hub(at_s3, f"s3://{s3_server.new_bucket()}/team")


def old_enough(hub: Hub, at_s3: Settings) -> None:
    """Wait until what was written counts as written before now."""
    deadline = time.monotonic() + 20
    while not collect_hub(hub, at_s3, grace=timedelta(seconds=1), dry_run=True).removed:
        assert time.monotonic() < deadline


def test_a_bucket_is_collected_and_keeps_what_is_reached_or_leased(bucket: Hub, at_s3: Settings) -> None:
    push_with_package(bucket, "1", b"a" * 99)
    litter = put(bucket, b"litter")
    old_enough(bucket, at_s3)
    assert collect_hub(bucket, at_s3, grace=NOW).removed == 1
    assert bucket.objects.stat(litter) is None
    assert bucket.objects.stat(object_key(blob(b"a" * 99).sha256)) is not None
    assert check_hub(bucket, at_s3, deep=True).faults == ()
    assert not list(bucket.objects.list("leases/"))


def test_a_bucket_is_mirrored_and_mended_from_its_mirror(bucket: Hub, at_s3: Settings, s3_server: S3Server) -> None:
    push_with_package(bucket, "1", b"a" * 3_000_000)
    target = open_hub(at_s3, f"s3://{s3_server.new_bucket()}/copy")
    [one] = mirror(bucket, target, [parse_reference(ENVIRONMENT)], at_s3, {})
    assert one.objects_sent == one.objects
    key = object_key(blob(b"a" * 3_000_000).sha256)
    target.objects.replace(key, b"b" * 3_000_000)
    assert not check_hub(target, at_s3, deep=True, repair=True).good
    [again] = mirror(bucket, target, [parse_reference(ENVIRONMENT)], at_s3, {})
    assert (again.objects_sent, again.bytes_sent) == (1, 3_000_000)
    assert check_hub(target, at_s3, deep=True).faults == ()
