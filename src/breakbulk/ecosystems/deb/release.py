"""The Release file of a suite: what it promises, and whether it may be believed now.

A Release file is the root of trust of an archive: it is signed, and holds the digest of every index. But an old one is
just as well signed; so its expiry counts, and its date, which must never go back (a replay would hide updates).
Format: Debian repository format, https://wiki.debian.org/DebianRepository/Format. Everything here is pure;
`acceptance` fetches, `memory` remembers, `signatures` verifies.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from breakbulk.ecosystems.deb.sources import Source
from breakbulk.ecosystems.deb.stanzas import paragraphs, parse_paragraph
from breakbulk.errors import IntegrityError

__all__ = ["IndexFile", "Release", "check_current", "check_not_replayed", "check_suite", "index_files", "parse_release"]

FUTURE_TOLERANCE_S = 600.0
"""How far the clock of an archive may be ahead of ours; apt has 10 s, which fails on machines without time service."""
ORDINARY_PIN, BACKPORTS_PIN, MANUAL_PIN = 500, 100, 1
_INDEX = re.compile(r"^ ([0-9a-f]{64})\s+(\d+)\s+((?:\S*/)?Packages(?:\.(?:xz|zst|gz|bz2))?)$", re.MULTILINE)
COMPRESSIONS = (".xz", ".zst", ".gz", ".bz2", "")
"""Suffixes of an index, the smallest transfer first."""


class IndexFile(msgspec.Struct, frozen=True, array_like=True):
    """One index file: path below the suite's directory, size in bytes and digest."""

    path: str
    size: int
    sha256: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a Release file says, dates in seconds since the epoch."""

    origin: str
    label: str
    suite: str
    codename: str
    date: float
    valid_until: float | None
    by_hash: bool
    not_automatic: bool
    automatic_upgrades: bool
    snapshots: str | None
    has_all_indices: bool
    files: dict[str, IndexFile]

    @property
    def pin(self) -> int:
        """Return the priority apt gives the suite by itself (apt_preferences(5))."""
        if not self.not_automatic:
            return ORDINARY_PIN
        return BACKPORTS_PIN if self.automatic_upgrades else MANUAL_PIN


def parse_release(text: str, where: str) -> Release:
    """Read a Release file; raise `IntegrityError` (`deb-release-invalid`) when it is none."""
    fields = parse_paragraph(next(paragraphs(text), ""))
    if "sha256" not in fields:
        raise _invalid(where, "it has no SHA-256 digests")
    files = [IndexFile(path, int(size), digest) for digest, size, path in _INDEX.findall("\n" + fields["sha256"])]
    return Release(
        origin=fields.get("origin", ""),
        label=fields.get("label", ""),
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        date=_seconds(fields.get("date", ""), "Date", where),
        valid_until=_seconds(fields["valid-until"], "Valid-Until", where) if "valid-until" in fields else None,
        by_hash=fields.get("acquire-by-hash") == "yes",
        not_automatic=fields.get("notautomatic") == "yes",
        automatic_upgrades=fields.get("butautomaticupgrades") == "yes",
        snapshots=fields.get("snapshots"),
        has_all_indices="all" in fields.get("architectures", "").split()
        and "Packages" not in fields.get("no-support-for-architecture-all", ""),
        files={file.path: file for file in files},
    )


def index_files(release: Release, source: Source, component: str, architecture: str) -> list[list[IndexFile]]:
    """Return the indices of a component for an architecture: each as its forms, the best first.

    An archive whose Release offers `binary-all` indices separately gives two.
    """
    if source.is_flat:
        bases = ["Packages", "./Packages"]
    else:
        every = ["all"] if release.has_all_indices else []
        bases = [f"{component}/binary-{each}/Packages" for each in (architecture, *every)]
    forms = (
        [release.files[base + suffix] for suffix in COMPRESSIONS if base + suffix in release.files] for base in bases
    )
    return [each for each in forms if each]


def check_suite(release: Release, source: Source) -> None:
    """Refuse the Release of another suite under this one's name (`deb-release-mismatch`)."""
    if source.is_flat or not (release.suite or release.codename):
        return
    wanted = source.suite.strip("/")
    if not {wanted, wanted.removesuffix("/updates")} & {release.suite, release.codename}:
        raise IntegrityError(
            f"the mirror offers the suite {release.codename or release.suite!r} under the name {wanted!r}",
            identifier="deb-release-mismatch",
            where=source.where,
            hint="use another mirror, or correct the suite in apt's sources",
        )


def check_current(release: Release, source: Source, now: float) -> None:
    """Refuse a Release that has expired (`deb-release-expired`) or is of the future (`deb-release-not-yet-valid`)."""
    if release.valid_until is not None and release.valid_until < now:
        raise IntegrityError(
            f"the index of the suite {source.suite!r} expired on {_words(release.valid_until)}",
            identifier="deb-release-expired",
            where=source.where,
            why="the mirror is no longer updated, somebody withholds newer indices, or this machine's clock is wrong",
            hint="use another mirror; for an archive that is closed for good set `Check-Valid-Until: no` in its source",
        )
    if release.date > now + FUTURE_TOLERANCE_S:
        raise IntegrityError(
            f"the index of the suite {source.suite!r} is of {_words(release.date)}, which has not come yet",
            identifier="deb-release-not-yet-valid",
            where=source.where,
            why=f"this machine's clock says {_words(now)}",
            hint="set the clock: `timedatectl set-ntp true`",
        )


def check_not_replayed(release: Release, accepted: Release, source: Source) -> None:
    """Refuse a Release that is older than one accepted before (`deb-release-replayed`)."""
    if release.date < accepted.date:
        raise IntegrityError(
            f"the mirror offers an older index of the suite {source.suite!r} than before",
            identifier="deb-release-replayed",
            where=source.where,
            why=f"it is of {_words(release.date)}, the last one accepted was of {_words(accepted.date)}",
            hint="somebody may be hiding updates; use another mirror, or try again when the mirror is in step",
        )


def _seconds(text: str, field: str, where: str) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise _invalid(where, f"its {field} is {text!r}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _words(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _invalid(where: str, why: str) -> IntegrityError:
    return IntegrityError(
        "a Release file that says too little",
        identifier="deb-release-invalid",
        where=where,
        why=why,
        hint="the archive is too old or broken; report it to whoever keeps it",
    )
