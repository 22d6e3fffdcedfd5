"""What a key of a hub is for, and whose: the only way in which text from outside becomes a key.

Pure. A key that is not one of the layout (`hub.layout`) does not exist for the service, so nothing that looks like a
path of the machine ever reaches a backend.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from breakbulk.errors import NotFoundError

__all__ = ["PREFIX_PATTERN", "Family", "Key", "parse_key", "parse_prefix"]

Family = Literal[
    "content",
    "prepared",
    "change",
    "digest",
    "elsewhere",
    "package",
    "signing-key",
    "journal",
    "snapshot",
    "lease",
    "collecting",
    "hub",
]

_WORD = r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?"
_OWNED = rf"(?P<owner>{_WORD})/(?P<name>{_WORD})"
_NUMBER = r"(?P<number>[0-9]{8})"
_PATTERNS: dict[Family, str] = {
    "content": r"objects/(?P<two>[0-9a-f]{2})/(?P<digest>(?P=two)[0-9a-f]{62})",
    "prepared": r"prepared/(?!\.)[A-Za-z0-9+.~_-]{1,255}/[0-9a-f]{64}",
    "change": rf"environments/{_OWNED}/changes/{_NUMBER}",
    "digest": rf"environments/{_OWNED}/digests/[0-9a-f]{{64}}",
    "elsewhere": rf"environments/{_OWNED}/elsewhere/{_NUMBER}",
    "package": rf"packages/{_OWNED}/changes/{_NUMBER}",
    "signing-key": rf"keys/[0-9a-f]{{8,64}}/{_NUMBER}",
    "journal": rf"index/journal/(?P<owner>{_WORD})~(?P<name>{_WORD})~{_NUMBER}",
    "snapshot": rf"index/snapshots/{_NUMBER}",
    "lease": r"leases/[A-Za-z0-9_-]{8,128}",
    "collecting": r"collecting",
    "hub": r"hub\.json",
}
_COMPILED = {family: re.compile(pattern, re.ASCII) for family, pattern in _PATTERNS.items()}
_SEGMENT = r"[A-Za-z0-9+~_-][A-Za-z0-9+.~_-]{0,254}"
PREFIX_PATTERN = rf"^(objects|prepared|environments|packages|keys|index|leases)/({_SEGMENT}/){{0,3}}$"
"""What keys may begin with, as the description of the service has it (ECMA-262)."""

_PREFIX = re.compile(PREFIX_PATTERN, re.ASCII)


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key of the layout.

    Attributes:
        text: The key itself.
        family: What is there.
        owner: Whose environment or package it belongs to; None for what belongs to the hub.
        name: Of the environment or package.
        number: Of a change, a snapshot, a record of a key.
        digest: SHA-256 that the content must have.

    """

    text: str
    family: Family
    owner: str | None = None
    name: str | None = None
    number: int | None = None
    digest: str | None = None

    @property
    def subject(self) -> str:
        """`owner/name` of what it belongs to, empty for what belongs to the hub."""
        return f"{self.owner}/{self.name}" if self.owner else ""


def parse_key(text: str) -> Key:
    """Return the key that `text` is; raise `NotFoundError` `key-unknown`."""
    for family, pattern in _COMPILED.items():
        if match := pattern.fullmatch(text):
            found = match.groupdict()
            return Key(
                text=text,
                family=family,
                owner=found.get("owner"),
                name=found.get("name"),
                number=int(found["number"]) if found.get("number") else None,
                digest=found.get("digest"),
            )
    raise _unknown(text)


def parse_prefix(text: str) -> tuple[str, str | None]:
    """Return the first word of what keys begin with, and the owner if it names one; raise `NotFoundError`."""
    if _PREFIX.fullmatch(text) is None:
        raise _unknown(text)
    top, owner, *_ = [*text.split("/"), ""]
    return top, (owner or None) if top in {"environments", "packages"} else None


def _unknown(text: str) -> NotFoundError:
    return NotFoundError(
        "a hub has no objects of this name",
        identifier="key-unknown",
        where=repr(text[:200]),
        hint="the layout is in docs/hub.md",
    )
