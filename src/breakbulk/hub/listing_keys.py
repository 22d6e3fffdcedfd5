"""The keys of this machine, as `breakbulk key list` shows them: own ones, believed ones, and their successors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from breakbulk.hub.key_statements import KeyStatements, SignedStatement
from breakbulk.hub.keys import KeyRing, PublicKey
from breakbulk.hub.opening import open_hub
from breakbulk.hub.standing import Standing, standings
from breakbulk.hub.trusted_keys import Trust, read_trust
from breakbulk.settings import Settings

__all__ = ["ListedKey", "listed_keys"]

_ANYBODY = ("*",)


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key, and what this machine makes of it.

    Attributes:
        key: The key.
        own: Whether it is the user's own.
        owners: For whose environments it is believed.
        status: As the rules have it, by what was last seen of the configured hub.
        successor: Id of the key that replaced it.
        since: When it was first believed, or revoked.
        reason: Of the revocation.

    """

    key: PublicKey
    own: bool
    owners: tuple[str, ...]
    status: Literal["believed", "retired", "revoked"]
    successor: str | None = None
    since: datetime | None = None
    reason: str = ""


def listed_keys(settings: Settings) -> tuple[ListedKey, ...]:
    """Return own keys, then believed ones, then successors that they named; asks no hub.

    Raises `IntegrityError` `trust-damaged`, `key-damaged`.
    """
    ring, trust = KeyRing(settings), read_trust(settings)
    own = {key.id: key for key in (*ring.own(), *ring.former())}
    owners = {each.key.id: each.owners for each in trust.keys} | dict.fromkeys(own, _ANYBODY)
    keys = {each.key.id: each.key for each in trust.keys} | own
    remembered = KeyStatements(None, open_hub(settings).url, settings.store)
    listed: dict[str, ListedKey] = {}
    waiting = [*own, *(keys.keys() - own.keys())]
    while waiting:
        key_id = waiting.pop(0)
        statements = remembered.about(key_id)
        standing = standings(owners[key_id][0].rstrip("*"), trust, tuple(own.values()), statements).get(key_id)
        if key_id in listed or standing is None:
            continue
        listed[key_id] = _listed(
            keys[key_id], owners[key_id], own=key_id in own, standing=standing, trust=trust, statements=statements
        )
        successor = standing.rotation.successor if standing.rotation and standing.worth == "retired" else None
        if successor is not None and successor.id not in keys:
            keys[successor.id], owners[successor.id] = successor, owners[key_id]
            waiting.append(successor.id)
    return tuple(listed.values())


def _listed(
    key: PublicKey,
    owners: tuple[str, ...],
    *,
    own: bool,
    standing: Standing,
    trust: Trust,
    statements: Sequence[SignedStatement],
) -> ListedKey:
    entry = next((each for each in trust.keys if each.key.id == key.id), None)
    successor = standing.rotation.successor if standing.rotation else None
    since, reason = entry.since if entry else None, ""
    if standing.worth == "revoked":
        since, reason = _revocation(key, trust, statements) or (since, reason)
    return ListedKey(
        key=key,
        own=own,
        owners=owners,
        status="believed" if standing.worth == "unknown" else standing.worth,
        successor=successor.id if successor else None,
        since=since,
        reason=reason,
    )


def _revocation(key: PublicKey, trust: Trust, statements: Sequence[SignedStatement]) -> tuple[datetime, str] | None:
    """Return when and why a key was revoked: here, or else on a hub."""
    here = trust.revoked.get(key.id)
    if here is not None:
        return here.since, here.reason
    published = (each.statement for each in statements if each.statement.kind == "revocation")
    return next(((each.time, each.reason) for each in published), None)
