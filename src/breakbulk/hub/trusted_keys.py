"""Whom this machine believes: `trust.json` in the configuration, public keys with the owners they may sign for.

    {"keys": [{"name": "ada", "public": "9f8c...", "owners": ["ada", "team-*"], "since": "..."}], "revoked": {...}}

It is read whole or not at all: a file that is damaged, or that others may write, is an error of every command that
would have to believe it, never an empty list. Own keys are believed without being listed. Counterpart: `standing`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from breakbulk.errors import IntegrityError, StoreError, UsageError
from breakbulk.hub.exclusive import exclusively
from breakbulk.hub.keys import PublicKey
from breakbulk.lock.replacing import replace_file
from breakbulk.settings import Settings

__all__ = ["TRUST_FILE", "RevokedKey", "Trust", "TrustedKey", "change_trust", "check_owners", "covers", "read_trust"]

TRUST_FILE = "trust.json"
_VERSION = 1
_OWNERS = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\*?|\*", re.ASCII)


class TrustedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that is believed, for which owners (`ada`, `team-*`, `*`), and since when."""

    key: PublicKey
    owners: tuple[str, ...]
    since: datetime


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a key that is believed no more."""

    name: str
    since: datetime
    reason: str = ""


class Trust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of the file; `revoked` by key id."""

    version: int = _VERSION
    keys: tuple[TrustedKey, ...] = ()
    revoked: dict[str, RevokedKey] = {}

    def trusting(self, trusted: TrustedKey) -> Trust:
        """Return it with one more key; one that is there already gets the new name and owners as well as its own."""
        before = next((each for each in self.keys if each.key.id == trusted.key.id), None)
        owners = tuple(sorted({*trusted.owners, *(before.owners if before else ())}))
        since = before.since if before else trusted.since
        others = tuple(each for each in self.keys if each is not before)
        merged = msgspec.structs.replace(trusted, owners=owners, since=since)
        return msgspec.structs.replace(self, keys=(*others, merged))

    def revoking(self, keyid: str, revoked: RevokedKey) -> Trust:
        """Return it without belief in a key; the first revocation stands."""
        return msgspec.structs.replace(self, revoked={keyid: revoked, **self.revoked})


def covers(patterns: tuple[str, ...], owner: str) -> bool:
    """Say whether one of the patterns is `owner`, or begins like it and ends with `*`."""
    return any(owner.startswith(pattern[:-1]) if pattern.endswith("*") else owner == pattern for pattern in patterns)


def check_owners(patterns: tuple[str, ...]) -> None:
    """Raise `UsageError` `owner-pattern-invalid` unless all patterns can be those of owners."""
    for pattern in patterns:
        if not _OWNERS.fullmatch(pattern):
            raise UsageError(
                "this does not name owners",
                identifier="owner-pattern-invalid",
                where=repr(pattern[:100]),
                hint="write an owner, the beginning of owners with * at its end, or * alone: ada, team-*, *",
            )


def read_trust(settings: Settings) -> Trust:
    """Return whom this machine believes; raise `IntegrityError` `trust-damaged`."""
    path = settings.configuration / TRUST_FILE
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise _damaged(path, "others may write it", f"look at what it says, then chmod 644 {path}")
            trust = msgspec.json.decode(file.read(), type=Trust)
    except FileNotFoundError:
        return Trust()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    if trust.version != _VERSION:
        raise _damaged(path, f"it is of version {trust.version}", "install the version of Breakbulk that wrote it")
    return trust


def change_trust(settings: Settings, change: Callable[[Trust], Trust]) -> Trust:
    """Write what `change` makes of the present trust, and return it.

    Raises:
        IntegrityError: `trust-damaged`.
        StoreError: `trust-not-writable`.

    """
    path = settings.configuration / TRUST_FILE
    try:
        settings.configuration.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusively(path.with_suffix(".lock")):
            trust = change(read_trust(settings))
            replace_file(path, msgspec.json.format(msgspec.json.encode(trust), indent=2) + b"\n", 0o644)
    except OSError as error:
        raise StoreError(
            "the list of trusted keys cannot be written",
            identifier="trust-not-writable",
            where=str(path),
            why=error.strerror,
        ) from error
    return trust


def _damaged(path: Path, why: str, hint: str = "restore it, or remove it and trust the keys again") -> IntegrityError:
    return IntegrityError(
        "the list of trusted keys cannot be used",
        identifier="trust-damaged",
        where=str(path),
        why=why,
        hint=hint,
    )
