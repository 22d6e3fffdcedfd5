"""Tokens: who somebody is and what they may do, as a value and as the text that is shown once.

The text is `bbk_<identifier>_<secret>`; the secret has 256 random bits, so its SHA-256 may be stored: there is nothing
to guess. The identifier is public: it names the token in lists and in the audit log.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from hmac import compare_digest
from typing import Literal, get_args

import msgspec

from breakbulk.errors import HubError, UsageError

__all__ = ["VERBS", "Token", "Verb", "check_usable", "digest_of", "identifier_of", "mint", "parse_duration", "same"]

Verb = Literal["read", "push", "switch", "collect", "admin"]
VERBS: tuple[Verb, ...] = get_args(Verb)
_TEXT = re.compile(r"bbk_(?P<identifier>[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_DURATION = re.compile(r"(?P<number>[1-9][0-9]{0,4})(?P<unit>[hdwy])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}
_PATTERN = re.compile(r"[a-z0-9*?][a-z0-9_.*?-]{0,63}")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is good for.

    Attributes:
        identifier: 12 hexadecimal digits, public.
        subject: Who uses it; the author of the changes made with it.
        owners: Patterns (`ada`, `team-*`, `*`) of the owners whose environments it is good for.
        verbs: What may be done with them; `collect` and `admin` concern the whole hub.
        created: When it was made.
        expires: None for never.
        revoked: When it was revoked, None when it was not.

    """

    identifier: str
    subject: str
    owners: tuple[str, ...]
    verbs: tuple[Verb, ...]
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def permits(self, verb: Verb, owner: str | None = None) -> bool:
        """Say whether `verb` may be done to what `owner` has; without an owner, to what belongs to nobody."""
        return verb in self.verbs and (owner is None or any(fnmatchcase(owner, pattern) for pattern in self.owners))

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Say whether the token is good at this moment."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "valid"


def mint(
    *, subject: str, owners: tuple[str, ...], verbs: tuple[str, ...], lifetime: timedelta | None, now: datetime
) -> tuple[Token, str]:
    """Return a new token and its text, which is not kept anywhere; raise `UsageError` `token-invalid`."""
    _check(subject, owners, verbs)
    identifier = secrets.token_hex(6)
    token = Token(
        identifier=identifier,
        subject=subject,
        owners=owners,
        verbs=tuple(verb for verb in VERBS if verb in verbs),
        created=now,
        expires=now + lifetime if lifetime else None,
    )
    return token, f"bbk_{identifier}_{secrets.token_urlsafe(32)}"


def identifier_of(text: str) -> str | None:
    """Return the identifier in the text of a token, None for what cannot be one."""
    match = _TEXT.fullmatch(text)
    return match["identifier"] if match else None


def digest_of(text: str) -> bytes:
    """Return what is stored of a token's text."""
    return hashlib.sha256(text.encode()).digest()


def same(one: bytes, other: bytes) -> bool:
    """Compare two digests in a time that tells nothing."""
    return compare_digest(one, other)


def check_usable(token: Token, now: datetime) -> None:
    """Raise `HubError` `token-expired` or `token-revoked`; only the service's clock counts."""
    state = token.state(now)
    if state == "expired":
        raise HubError(
            "the token has expired",
            identifier="token-expired",
            where=token.identifier,
            why=f"it was good until {token.expires:%Y-%m-%dT%H:%M:%SZ}",
            hint="ask whoever keeps the hub for a new one, then `breakbulk hub login`",
        )
    if state == "revoked":
        raise HubError(
            "the token has been revoked",
            identifier="token-revoked",
            where=token.identifier,
            hint="ask whoever keeps the hub for a new one, then `breakbulk hub login`",
        )


def parse_duration(text: str) -> timedelta | None:
    """Read `12h`, `30d`, `8w`, `1y`, or `never` (None); raise `UsageError` `token-invalid`."""
    if text == "never":
        return None
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(
            "this is no duration",
            identifier="token-invalid",
            where=repr(text[:40]),
            hint="write a number with h, d, w or y, as 30d, or `never`",
        )
    return int(match["number"]) * _UNITS[match["unit"]]


def _check(subject: str, owners: tuple[str, ...], verbs: tuple[str, ...]) -> None:
    wrong = [verb for verb in verbs if verb not in VERBS]
    if wrong or not verbs:
        raise UsageError(
            f"{wrong[0]!r} is no verb of a token" if wrong else "a token needs a verb",
            identifier="token-invalid",
            hint=f"choose among {', '.join(VERBS)}",
        )
    for pattern in owners:
        if not _PATTERN.fullmatch(pattern):
            raise UsageError(
                "this is no pattern of owners",
                identifier="token-invalid",
                where=repr(pattern[:80]),
                hint="write the name of an owner; `*` stands for any characters",
            )
    if not 1 <= len(subject) <= 128 or not subject.isprintable():
        raise UsageError(
            "the subject of a token is a name of up to 128 printable characters", identifier="token-invalid"
        )
