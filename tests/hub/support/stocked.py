"""Generations that have something: one prepared package and one archive each, brought as a push brings them."""

import time

import msgspec
from changes import ENVIRONMENT, blob, locked, push

from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.leases import pushing
from breakbulk.hub.records import PreparedPackage, PreparedSet, Recorded
from breakbulk.lock.files import encode_lock


def put(hub: Hub, data: bytes) -> str:
    """Write an object and return its key."""
    key = object_key(blob(data).sha256)
    hub.objects.create(key, data)
    return key


def push_with_package(hub: Hub, version: str, data: bytes, environment: str = ENVIRONMENT) -> Recorded:
    """Push a generation with one prepared package and one archive, as a push does: leased."""
    listed = msgspec.json.encode(
        PreparedSet(packages={"k-jq-1": PreparedPackage(blob=blob(data), tree="a" * 64, size=10)})
    )
    archive = b"own source " + data
    lock = locked(version)
    contents = (data, listed, archive, encode_lock(lock))
    with pushing(hub.objects, [object_key(blob(content).sha256) for content in contents], pause=time.sleep) as lease:
        for content in contents:
            put(hub, content)
        lease.check()
        return push(
            hub, lock=lock, environment=environment, prepared={"x86_64-linux": blob(listed)}, archives=(blob(archive),)
        )
