"""Changes of environments that nobody has to resolve: a lock of one made-up package, pushed without any bytes."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.records import Authorship, Blob, Change, Recorded
from breakbulk.lock.files import encode_lock, identity
from breakbulk.lock.model import LOCK_VERSION, Lock, LockedSystem, Package

ENVIRONMENT = "ada/tickets"
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def locked(version: str = "1", **manifest: Any) -> Lock:
    """Return a lock whose digest depends on `version`."""
    package = Package(
        ecosystem="deb",
        name="jq",
        version=version,
        file=f"jq_{version}.deb",
        size=1000,
        sha256=hashlib.sha256(version.encode()).hexdigest(),
        purl=f"pkg:deb/debian/jq@{version}",
        license="MIT",
        why=("install.jq",),
    )
    return Lock(
        lock_version=LOCK_VERSION, manifest=manifest, systems={"x86_64-linux": LockedSystem(packages=(package,))}
    )


def blob(data: bytes) -> Blob:
    """Return what names these bytes."""
    return Blob(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def authorship(message: str = "", author: str = "ada", **fields: Any) -> Authorship:
    """Return who did something; what a test does not care about is plausible."""
    return Authorship(
        author=author, host="engine", command="breakbulk push ada/tickets", time=TIME, message=message, **fields
    )


def following(
    current: Recorded | None, environment: str = ENVIRONMENT, lock: Lock | None = None, **fields: Any
) -> Change:
    """Return the push that follows `current`."""
    lock = lock or locked()
    before = current.change if current else None
    values: dict[str, Any] = {
        "environment": environment,
        "number": before.number + 1 if before else 1,
        "kind": "push",
        "generation": before.generations + 1 if before else 1,
        "generations": before.generations + 1 if before else 1,
        "previous": before.generation if before else None,
        "digest": identity(lock),
        "lock": blob(encode_lock(lock)),
        "author": "ada",
        "host": "engine",
        "command": f"breakbulk push {environment}",
        "time": TIME,
        "parent": current.sha256 if current else None,
    }
    return Change(**(values | fields))


def push(hub: Hub, version: str = "1", environment: str = ENVIRONMENT, **fields: Any) -> Recorded:
    """Push a lock as the next generation."""
    lock = fields.pop("lock", None) or locked(version)
    data = encode_lock(lock)
    hub.objects.create(object_key(blob(data).sha256), data)
    recorded = hub.commit(environment, lambda current: following(current, environment, lock, **fields))
    assert recorded is not None
    return recorded
