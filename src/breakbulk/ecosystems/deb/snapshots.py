"""Archives as they were on a day: `options.snapshot`.

Where the past of an archive can be had is said by the archive itself (`Snapshots:` in its Release file) or by apt's
configuration (`Acquire::Snapshots::URI`, apt.conf(5)), as an address with `@SNAPSHOTID@` in it. Breakbulk knows no such
address by itself. Which snapshots were used is remembered in the cache, as a package that has left its mirror is still
there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from breakbulk.ecosystems.deb.configuration import Configuration
from breakbulk.ecosystems.deb.release import Release
from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import ManifestError

__all__ = ["Snapshot", "parse_snapshot", "remember_snapshot", "remembered_snapshots", "snapshot_of", "snapshot_source"]

_PLACEHOLDER = "@SNAPSHOTID@"
_SCOPE = "Acquire::Snapshots::URI"


class Snapshot(msgspec.Struct, frozen=True):
    """A moment: its `identifier` in addresses (20260131T235959Z) and its `seconds` since the epoch."""

    identifier: str
    seconds: float


def parse_snapshot(text: str) -> Snapshot:
    """Read an RFC 3339 date, which includes its whole day (as uv reads it), or date-time, or a snapshot id.

    Raises:
        ManifestError: `snapshot-invalid`.

    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ManifestError(
            f"options.snapshot is no date: {text!r}",
            identifier="snapshot-invalid",
            where="options.snapshot",
            hint='write it as "2026-01-31" or "2026-01-31T12:00:00Z"',
        ) from error
    if len(text) <= len("2026-01-31"):
        moment = datetime.combine(moment.date(), time(23, 59, 59))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return Snapshot(moment.strftime("%Y%m%dT%H%M%SZ"), moment.timestamp())


def snapshot_of(source: Source, wanted: Snapshot | None) -> Snapshot | None:
    """Return the moment a source is wanted at: the manifest's, else the one its own `Snapshot` option names."""
    if wanted is not None or source.snapshot is None or source.snapshot.lower() in {"enable", "yes", "true"}:
        return wanted
    return parse_snapshot(source.snapshot)


def snapshot_source(source: Source, live: Release | None, snapshot: Snapshot, configuration: Configuration) -> Source:
    """Return the source that gives the archive as it was.

    Raises:
        ManifestError: `snapshot-unavailable`: nobody says where snapshots of this archive are.

    """
    template = _template(source, live, configuration)
    if template is None:
        label = f"Label::{live.label}" if live and live.label else f"Host::{urlsplit(source.uri).hostname or 'HOST'}"
        raise ManifestError(
            f"nobody says where snapshots of the suite {source.suite!r} are",
            identifier="snapshot-unavailable",
            where=source.where,
            why="neither its Release file has a field Snapshots, nor apt's configuration an address",
            hint=f'write into /etc/apt/apt.conf.d/snapshots: {_SCOPE}::{label} "ADDRESS/{_PLACEHOLDER}";',
        )
    uri = template.replace(_PLACEHOLDER, snapshot.identifier).rstrip("/")
    return msgspec.structs.replace(source, uri=uri, where=f"{source.where}, snapshot {snapshot.identifier}")


def remember_snapshot(cache: Path, source: Source) -> None:
    """Note that a suite was resolved at a snapshot, so that its packages can be located there."""
    path = _remembered(cache)
    known = list(remembered_snapshots(cache, source.suite))
    if any(each.uri == source.uri for each in known):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(msgspec.json.encode({"suite": source.suite, "uri": source.uri}) + b"\n")


def remembered_snapshots(cache: Path, suite: str) -> Iterator[Source]:
    """Yield the snapshots at which a suite was resolved on this machine, the last one first."""
    try:
        lines = _remembered(cache).read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in reversed(lines):
        with contextlib.suppress(msgspec.MsgspecError):  # a line that a killed process left half written
            entry = msgspec.json.decode(line, type=dict[str, str])
            if entry.get("suite") == suite and "uri" in entry:
                yield Source(uri=entry["uri"], suite=suite, where="a snapshot used before")


def _remembered(cache: Path) -> Path:
    return cache / "deb" / "snapshots"


def _template(source: Source, live: Release | None, configuration: Configuration) -> str | None:
    """Look in apt's order: overrides, the archive's own word, the rest of the configuration."""
    names = {"Label": live.label if live else "", "Origin": live.origin if live else ""}
    names["Host"] = urlsplit(source.uri).hostname or ""
    scopes = [f"{kind}::{name}" for kind, name in names.items() if name]
    candidates = [
        *(configuration.text(f"{_SCOPE}::Override::{scope}") for scope in scopes),
        live.snapshots if live else None,
        *(configuration.text(f"{_SCOPE}::{scope}") for scope in scopes),
    ]
    return next((each for each in candidates if each and _PLACEHOLDER in each), None)
