"""How long a hub of 10,000 environments with 20 generations each takes to say something, from a local directory.

There is no peer: the figures are those of the whole process, from a cold interpreter to the last line printed.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.hub import index
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import change_key, changes_prefix, digest_key, object_key
from breakbulk.hub.opening import open_hub
from breakbulk.hub.records import Blob, Change, Summary, encode_change
from breakbulk.hub.statements import encode_envelope
from breakbulk.lock.files import encode_lock, identity
from breakbulk.lock.model import LOCK_VERSION, Lock, LockedSystem, Package
from breakbulk.settings import Settings
from measure import compare, seconds
from workplace import WORK, breakbulk

__all__ = ["measure"]

ENVIRONMENTS = 10_000
GENERATIONS = 20
PACKAGES = 200
WORDS = ("airflow", "tickets", "torch", "postgres", "flask", "reports", "etl", "search", "gateway", "billing")
START = datetime(2026, 1, 1, tzinfo=UTC)
MUST_REACH = dict.fromkeys(("list", "search", "show", "history"), "<= 0.300 s") | {"rollback": "<= 0.200 s"}


def measure(rounds: int = 15, environments: int = ENVIRONMENTS) -> dict[str, Any]:
    """Return the figures."""
    place = WORK / "hub-catalogue"
    shutil.rmtree(place, ignore_errors=True)
    hub = open_hub(Settings.load(os.environ), str(place))
    _fill(hub, place, environments)
    others = (_name(number) for number in itertools.count(1))

    def ours(*words: str) -> float:
        return seconds(lambda: breakbulk(*words, BREAKBULK_HUB=str(place)))

    figures = compare(
        {
            "list": lambda: ours("hub", "list"),
            "search": lambda: ours("hub", "list", "torch", "flask"),
            "show": lambda: ours("show", f"{_name(environments // 2)}:7"),
            "history": lambda: ours("history", _name(environments // 3)),
            "rollback": lambda: ours("rollback", next(others)),
        },
        rounds,
        warm_up=1,
    )
    shutil.rmtree(place)
    return {"environments": environments, "generations": GENERATIONS, **figures, "must_reach": MUST_REACH}


def _fill(hub: Hub, place: Path, environments: int) -> None:
    """Write what so many pushes leave, without bringing each of them to the disk."""
    locks = [_lock(version) for version in range(GENERATIONS)]
    for lock in locks:
        data = encode_lock(lock)
        hub.objects.create(object_key(hashlib.sha256(data).hexdigest()), data)
    with ProcessPoolExecutor() as writers:
        written = writers.map(_write, itertools.repeat(place), range(environments), chunksize=250)
        summaries = [msgspec.json.decode(data, type=Summary) for data in written]
    index.publish(hub.objects, index.listed(hub.objects), index.merged(summaries))


def _write(place: Path, number: int) -> bytes:
    """Write the changes of one environment; return its summary."""
    environment, parent = _name(number), None
    for directory in (changes_prefix(environment), digest_key(environment, "")):
        (place / directory).mkdir(parents=True)
    for change in _changes(environment, number):
        data = encode_envelope(encode_change(msgspec.structs.replace(change, parent=parent)))
        (place / change_key(environment, change.number)).write_bytes(data)
        (place / digest_key(environment, change.digest)).write_bytes(str(change.number).encode())
        parent = hashlib.sha256(data).hexdigest()
    return msgspec.json.encode(change.summary(signed=False))


def _changes(environment: str, number: int) -> Iterator[Change]:
    installs = tuple(sorted({WORDS[(number + step * step) % len(WORDS)] for step in range(5)}))
    for generation in range(1, GENERATIONS + 1):
        digest, lock = _locked(generation - 1)
        yield Change(
            environment=environment,
            number=generation,
            kind="push",
            generation=generation,
            generations=generation,
            previous=generation - 1 or None,
            digest=digest,
            lock=lock,
            author=f"author-{number % 50}",
            host=f"machine-{number % 200}",
            command=f"breakbulk push {environment}",
            time=START + timedelta(hours=number % 1000 + generation),
            message=f"Change {generation} of {number}: newer {installs[generation % len(installs)]}",
            installs=installs,
            packages=PACKAGES,
        )


_LOCKED: dict[int, tuple[str, Blob]] = {}


def _locked(version: int) -> tuple[str, Blob]:
    if version not in _LOCKED:
        lock = _lock(version)
        data = encode_lock(lock)
        _LOCKED[version] = identity(lock), Blob(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    return _LOCKED[version]


def _lock(version: int) -> Lock:
    packages = tuple(
        Package(
            ecosystem="pypi",
            name=f"package-{number:04d}",
            version=f"1.{version}",
            file=f"package_{number:04d}-1.{version}-py3-none-any.whl",
            size=100_000 + number,
            sha256=hashlib.sha256(f"{number} {version}".encode()).hexdigest(),
            purl=f"pkg:pypi/package-{number:04d}@1.{version}",
            license="MIT",
            why=("install.all",),
        )
        for number in range(PACKAGES)
    )
    return Lock(lock_version=LOCK_VERSION, manifest={}, systems={"x86_64-linux": LockedSystem(packages=packages)})


def _name(number: int) -> str:
    return f"team-{number % 100:02d}/{WORDS[number // 100 % len(WORDS)]}-{number:05d}"
